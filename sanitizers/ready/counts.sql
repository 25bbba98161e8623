-- Count: earlier arrests of the person.
-- Row: every arrest with a person and a date. As of: the day before the arrest; arrests of the same day are not earlier.
-- Windows: ever, the 730 and the 90 days before. Null: only earlier_same_offense, where the arrest has no offense.
WITH arrest AS (
    SELECT
        arrest_number, person_id, offense,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE person_id IS NOT NULL AND arrest_date IS NOT NULL
)
SELECT
    arrest_number,
    count(*) OVER (
        PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS earlier,
    count(*) OVER (PARTITION BY person_id ORDER BY day RANGE BETWEEN 730 PRECEDING AND 1 PRECEDING) AS earlier_730,
    count(*) OVER (PARTITION BY person_id ORDER BY day RANGE BETWEEN 90 PRECEDING AND 1 PRECEDING) AS earlier_90,
    CASE WHEN offense IS NOT NULL THEN count(*) OVER (
        PARTITION BY person_id, offense ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) END AS earlier_same_offense
FROM arrest
