-- Evidenced label: are two complaints of one offense known to be by one hand?
-- 1: a person was arrested on both for that offense, at most two days apart. 0: both are in such a pair of their own, on
-- both a person was arrested for that offense in one precinct in one week, from Monday on, and nobody was ever arrested on
-- both.
-- Row: such a pair, complaint a before b by number; every other pair is unlabelled, and no row says so. A pair that is
-- known only from an arrest is gone without it, and is no 0: a 0 needs evidence of its own.
-- As of: all arrests on record. known_on is the day from which a 1 was known, and from which both complaints of a 0 stood
-- in pairs; a later arrest may take a 0 away. Null: never.
WITH hand AS (
    SELECT DISTINCT
        complaint_number, person_id, offense, precinct,
        CAST(arrest_date AS DATE) AS arrested_on,
        date_diff('day', DATE '1970-01-01', CAST(arrest_date AS DATE)) AS day
    FROM arrests
    WHERE complaint_number IS NOT NULL AND person_id IS NOT NULL AND offense IS NOT NULL AND arrest_date IS NOT NULL
),
positive AS (
    SELECT
        one.complaint_number AS a, other.complaint_number AS b, one.offense,
        min(greatest(one.arrested_on, other.arrested_on)) AS known_on
    FROM hand AS one
    JOIN hand AS other
        ON other.person_id = one.person_id
        AND other.offense = one.offense
        AND other.complaint_number > one.complaint_number
        AND other.day BETWEEN one.day - 2 AND one.day + 2
    GROUP BY one.complaint_number, other.complaint_number, one.offense
),
paired AS (
    SELECT a AS complaint_number, offense, known_on FROM positive
    UNION ALL
    SELECT b AS complaint_number, offense, known_on FROM positive
),
standing AS (
    SELECT complaint_number, offense, min(known_on) AS known_on FROM paired GROUP BY complaint_number, offense
),
known AS (
    SELECT
        hand.complaint_number, hand.person_id, hand.offense, hand.precinct, standing.known_on,
        date_trunc('week', hand.arrested_on) AS week
    FROM hand
    JOIN standing ON standing.complaint_number = hand.complaint_number AND standing.offense = hand.offense
),
apart AS (
    SELECT DISTINCT
        one.complaint_number AS a, other.complaint_number AS b, one.offense,
        greatest(one.known_on, other.known_on) AS known_on
    FROM known AS one
    JOIN known AS other
        ON other.precinct = one.precinct
        AND other.offense = one.offense
        AND other.week = one.week
        AND other.complaint_number > one.complaint_number
        AND other.person_id <> one.person_id
),
common AS (
    SELECT DISTINCT apart.a, apart.b
    FROM apart
    JOIN hand AS one ON one.complaint_number = apart.a
    JOIN hand AS other ON other.complaint_number = apart.b AND other.person_id = one.person_id
)
SELECT a, b, offense, known_on, 1 AS same_hand FROM positive
UNION ALL
SELECT apart.a, apart.b, apart.offense, apart.known_on, 0 AS same_hand
FROM apart
LEFT JOIN common ON common.a = apart.a AND common.b = apart.b
WHERE common.a IS NULL
