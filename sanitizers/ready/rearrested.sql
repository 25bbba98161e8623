-- Counted label: was the person arrested again within two years of the arrest?
-- Row: every arrest with a person and a date. As of: 730 days after it, since a label looks ahead: join it to the row,
-- never use it as a feature. Window: 1 to 730 days after; arrests of the same day are not again.
-- Null: not known yet, because the window ends after the latest arrest of all. An arrest inside it does not change that:
-- to keep the ones and not the zeros of open windows would bend the base rate.
WITH dated AS (
    SELECT
        arrest_number, person_id,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE arrest_date IS NOT NULL
),
followed AS (
    SELECT
        arrest_number, day,
        count(*) OVER (PARTITION BY person_id ORDER BY day RANGE BETWEEN 1 FOLLOWING AND 730 FOLLOWING) AS later
    FROM dated
    WHERE person_id IS NOT NULL
),
ending AS (
    SELECT max(day) AS last_day FROM dated
)
SELECT
    followed.arrest_number,
    CASE
        WHEN followed.day + 730 > ending.last_day THEN NULL
        WHEN followed.later > 0 THEN 1
        ELSE 0
    END AS rearrested
FROM followed
CROSS JOIN ending
