-- Extremum: the lowest and the highest age at which the person was arrested before.
-- Row: every arrest with a person and a date. As of: the day before the arrest; arrests of the same day are not earlier.
-- Windows: all earlier arrests. Null: no earlier arrest, or none that tells an age.
WITH arrest AS (
    SELECT
        arrest_number, person_id, CAST(round(CAST(age AS DOUBLE)) AS INTEGER) AS age,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE person_id IS NOT NULL AND arrest_date IS NOT NULL
)
SELECT
    arrest_number,
    min(age) OVER (
        PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS lowest_age,
    max(age) OVER (
        PARTITION BY person_id ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS highest_age
FROM arrest
