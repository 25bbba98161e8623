-- Recency: days since the person's latest and first earlier arrest, and since the latest for the same offense.
-- Row: every arrest with a person and a date. As of: the day before the arrest, so 1 is the least; arrests of the same
-- day are not earlier. Windows: all earlier arrests. Null: no such arrest; for the same offense also where the arrest
-- has no offense.
WITH arrest AS (
    SELECT
        arrest_number, person_id, offense,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE person_id IS NOT NULL AND arrest_date IS NOT NULL
)
SELECT
    arrest_number,
    day - max(day) OVER (
        PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS since_latest,
    day - min(day) OVER (
        PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS since_first,
    CASE WHEN offense IS NOT NULL THEN day - max(day) OVER (
        PARTITION BY person_id, offense ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) END AS since_same_offense
FROM arrest
