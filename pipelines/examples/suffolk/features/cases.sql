-- One row per case of the clean charges: what was known on the day it was filed, and whether the person was arraigned
-- again within 730 days (known for cases filed up to 2016-12-13, 730 days before the last filing in the file).
WITH charge AS (
    SELECT
        "Person ID" AS person,
        CAST(Filed AS DATE) AS filed,
        "Type Crime" AS type,
        "Code Ucc Ctgry" AS category
    FROM charges
),
per_case AS (
    SELECT
        person,
        filed,
        count(*) AS charges,
        count(*) FILTER (WHERE category = 'F') AS felony_charges,
        count(*) FILTER (WHERE type = 'DR') AS drug_charges,
        count(*) FILTER (WHERE type IN ('AS', 'DV', 'RO', 'HO', 'SO', 'KI', 'THR', 'IW')) AS violent_charges,
        count(*) FILTER (WHERE type IN ('BU', 'LA', 'TH', 'RSP', 'TRES', 'FO', 'PR', 'AR', 'CDP')) AS property_charges,
        count(*) FILTER (WHERE type = 'TRAF') AS motor_charges,
        count(*) FILTER (WHERE type = 'FA') AS weapon_charges,
        count(*) FILTER (WHERE type IN ('UNK', 'DIS', 'ALC', 'RA', 'SC', 'FU', 'PE', 'JUV', 'PN', 'PH')) AS other_charges
    FROM charge
    GROUP BY person, filed
)
SELECT
    person || '|' || CAST(filed AS VARCHAR) AS case_id,
    person,
    filed,
    count(*) OVER (PARTITION BY person ORDER BY filed ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS prior_cases,
    filed - max(filed) OVER (PARTITION BY person ORDER BY filed ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS days_since_last_case,
    charges,
    felony_charges,
    drug_charges,
    violent_charges,
    property_charges,
    motor_charges,
    weapon_charges,
    other_charges,
    CASE
        WHEN filed > DATE '2016-12-13' THEN NULL
        WHEN min(filed) OVER (PARTITION BY person ORDER BY filed ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) - filed <= 730 THEN 1
        ELSE 0
    END AS rearraigned
FROM per_case
