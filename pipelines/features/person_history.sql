-- What the remaining arrests say of each person: counts, extrema, recency, other people arrested on the same complaint,
-- and the counted label "arrested again within two years of an arrest".
WITH co AS (
    SELECT own.person_id, count(DISTINCT other.person_id) AS co_arrested
    FROM arrests AS own
    JOIN arrests AS other ON other.complaint_number = own.complaint_number AND other.person_id <> own.person_id
    GROUP BY own.person_id
),
charged AS (
    SELECT arrests.person_id, count(*) AS charges
    FROM charges
    JOIN arrests ON arrests.arrest_number = charges.arrest_number
    GROUP BY arrests.person_id
),
again AS (
    SELECT DISTINCT own.person_id
    FROM arrests AS own
    JOIN arrests AS later
        ON later.person_id = own.person_id
        AND later.arrest_date > own.arrest_date
        AND later.arrest_date - own.arrest_date <= 730
)
SELECT
    persons.person_id,
    count(arrests.arrest_number) AS arrests,
    coalesce(max(charged.charges), 0) AS charges,
    min(arrests.age) AS first_age,
    max(arrests.age) AS latest_age,
    DATE '2019-12-31' - max(arrests.arrest_date) AS days_since_latest,
    coalesce(max(co.co_arrested), 0) AS co_arrested,
    CASE WHEN max(again.person_id) IS NULL THEN 0 ELSE 1 END AS rearrested
FROM persons
LEFT JOIN arrests ON arrests.person_id = persons.person_id
LEFT JOIN charged ON charged.person_id = persons.person_id
LEFT JOIN co ON co.person_id = persons.person_id
LEFT JOIN again ON again.person_id = persons.person_id
GROUP BY persons.person_id
