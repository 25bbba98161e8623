-- Pairs by standing evidence only. Positive: both in one pattern. Negative: in patterns, but in no common one. Everything
-- else stays unlabelled, and of the negatives one in sixteen is taken, by digits of the two tokens. The rule never looks at
-- what was sealed.
WITH member AS (
    SELECT DISTINCT pattern_members.pattern_id, pattern_members.complaint_number, incidents.crime_type
    FROM pattern_members
    JOIN incidents ON incidents.complaint_number = pattern_members.complaint_number
),
standing AS (
    SELECT pattern_id FROM member GROUP BY pattern_id HAVING count(*) >= 2
),
known AS (
    SELECT member.pattern_id, member.complaint_number, member.crime_type
    FROM member
    JOIN standing ON standing.pattern_id = member.pattern_id
),
positive AS (
    SELECT DISTINCT one.complaint_number AS a, other.complaint_number AS b, one.crime_type
    FROM known AS one
    JOIN known AS other
        ON other.pattern_id = one.pattern_id
        AND other.crime_type = one.crime_type
        AND other.complaint_number > one.complaint_number
),
sampled AS (
    SELECT complaint_number, crime_type FROM known GROUP BY complaint_number, crime_type
),
negative AS (
    SELECT one.complaint_number AS a, other.complaint_number AS b, one.crime_type
    FROM sampled AS one
    JOIN sampled AS other
        ON other.crime_type = one.crime_type
        AND other.complaint_number > one.complaint_number
        AND substr(other.complaint_number, 5, 1) = substr(one.complaint_number, 6, 1)
    LEFT JOIN positive ON positive.a = one.complaint_number AND positive.b = other.complaint_number
    WHERE positive.a IS NULL
)
SELECT a, b, crime_type, 1 AS label FROM positive
UNION ALL
SELECT a, b, crime_type, 0 AS label FROM negative
