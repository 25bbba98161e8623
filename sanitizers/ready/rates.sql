-- Rate: how many of the person's earlier arrests were for the offense of this one, and how many arrests a year there were.
-- Row: every arrest with a person and a date. As of: the day before the arrest; arrests of the same day are not earlier.
-- Windows: all earlier arrests; the year's rate is 365 times their number by the days since the first.
-- Null: no earlier arrest, so no rate, which is not a rate of 0; same_offense also where the arrest has no offense.
WITH arrest AS (
    SELECT
        arrest_number, person_id, offense,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE person_id IS NOT NULL AND arrest_date IS NOT NULL
),
counted AS (
    SELECT
        arrest_number, offense, day,
        count(*) OVER (
            PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS earlier,
        min(day) OVER (
            PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS first_day,
        count(*) OVER (
            PARTITION BY person_id, offense ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS same
    FROM arrest
)
SELECT
    arrest_number,
    CASE WHEN earlier > 0 AND offense IS NOT NULL THEN CAST(same AS DOUBLE) / CAST(earlier AS DOUBLE) END AS same_offense,
    CASE WHEN earlier > 0 THEN CAST(365 * earlier AS DOUBLE) / CAST(day - first_day AS DOUBLE) END AS a_year
FROM counted
