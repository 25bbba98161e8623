-- Co-arrest degree and exposure: other people who were arrested on a complaint on which the person was arrested.
-- Row: every arrest with a person and a date. As of: the day before the arrest; a tie counts from the day on which both
-- had been arrested on one complaint. degree: with how many others there is a tie. exposure: arrests of these others, on
-- whatever complaint, 1 to 365 days before. Null: never; 0 where there is no tie.
WITH arrest AS (
    SELECT
        arrest_number, person_id, complaint_number,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE person_id IS NOT NULL AND arrest_date IS NOT NULL
),
accused AS (
    SELECT complaint_number, person_id, min(day) AS day
    FROM arrest
    WHERE complaint_number IS NOT NULL
    GROUP BY complaint_number, person_id
),
tie AS (
    SELECT one.person_id, other.person_id AS other_id, min(greatest(one.day, other.day)) AS day
    FROM accused AS one
    JOIN accused AS other ON other.complaint_number = one.complaint_number AND other.person_id <> one.person_id
    GROUP BY one.person_id, other.person_id
),
known AS (
    SELECT arrest.arrest_number, arrest.day, tie.other_id
    FROM arrest
    JOIN tie ON tie.person_id = arrest.person_id AND tie.day < arrest.day
),
counted AS (
    SELECT known.arrest_number, count(DISTINCT known.other_id) AS degree, count(other.arrest_number) AS exposure
    FROM known
    LEFT JOIN arrest AS other
        ON other.person_id = known.other_id
        AND other.day BETWEEN known.day - 365 AND known.day - 1
    GROUP BY known.arrest_number
)
SELECT
    arrest.arrest_number,
    coalesce(counted.degree, 0) AS degree,
    coalesce(counted.exposure, 0) AS exposure
FROM arrest
LEFT JOIN counted ON counted.arrest_number = arrest.arrest_number
