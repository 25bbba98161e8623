-- Arrests per cell of 1,000 feet and month.
-- Row: a cell and a month, named by its first day, if the cell had an arrest in the twelve months before it; any other
-- cell has 0, and no row says so. Months end with the one of the latest arrest of all. As of: the day before the month.
-- Windows: the calendar month and the twelve calendar months before. Arrests without date or place count nowhere; a place
-- is two numbers below ten million feet, which leaves out NaN. Null: never.
WITH placed AS (
    SELECT
        CAST(floor(CAST(x AS DOUBLE) / 1000) AS INTEGER) AS cell_x,
        CAST(floor(CAST(y AS DOUBLE) / 1000) AS INTEGER) AS cell_y,
        12 * year(CAST(arrest_date AS DATE)) + month(CAST(arrest_date AS DATE)) - 1 AS made_in
    FROM arrests
    WHERE arrest_date IS NOT NULL
        AND CAST(x AS DOUBLE) BETWEEN -10000000 AND 10000000
        AND CAST(y AS DOUBLE) BETWEEN -10000000 AND 10000000
),
monthly AS (
    SELECT cell_x, cell_y, made_in, count(*) AS arrests FROM placed GROUP BY cell_x, cell_y, made_in
),
ending AS (
    SELECT max(12 * year(CAST(arrest_date AS DATE)) + month(CAST(arrest_date AS DATE)) - 1) AS last_month FROM arrests
),
ahead AS (
    SELECT months FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12)) AS every(months)
),
seen AS (
    SELECT monthly.cell_x, monthly.cell_y, monthly.made_in + ahead.months AS seen_in, ahead.months, monthly.arrests
    FROM monthly
    CROSS JOIN ahead
)
SELECT
    seen.cell_x,
    seen.cell_y,
    make_date(seen.seen_in // 12, seen.seen_in % 12 + 1, 1) AS month,
    sum(CASE WHEN seen.months = 1 THEN seen.arrests ELSE 0 END) AS month_before,
    sum(seen.arrests) AS year_before
FROM seen
JOIN ending ON seen.seen_in <= ending.last_month
GROUP BY seen.cell_x, seen.cell_y, seen.seen_in
