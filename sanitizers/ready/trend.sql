-- Trend: the person's arrests in the year before the arrest, less those in the year before that.
-- Row: every arrest with a person and a date. As of: the day before the arrest; arrests of the same day are not earlier.
-- Windows: 1 to 365 and 366 to 730 days before. Null: never; 0 is no change, and also no arrest in either year.
WITH arrest AS (
    SELECT
        arrest_number, person_id,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE person_id IS NOT NULL AND arrest_date IS NOT NULL
)
SELECT
    arrest_number,
    count(*) OVER (PARTITION BY person_id ORDER BY day RANGE BETWEEN 365 PRECEDING AND 1 PRECEDING)
    - count(*) OVER (PARTITION BY person_id ORDER BY day RANGE BETWEEN 730 PRECEDING AND 366 PRECEDING) AS change
FROM arrest
