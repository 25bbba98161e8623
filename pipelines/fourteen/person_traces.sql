-- What other systems than the arrests' still say of each person: edges of the co-arrest graph, prints, warrants, summonses.
WITH edge AS (
    SELECT person_a AS person_id, person_b AS other FROM coarrests
    UNION ALL
    SELECT person_b AS person_id, person_a AS other FROM coarrests
),
linked AS (
    SELECT person_id, count(*) AS edges, count(DISTINCT other) AS companions FROM edge GROUP BY person_id
),
printed AS (
    SELECT person_id, count(*) AS prints FROM fingerprints GROUP BY person_id
),
wanted AS (
    SELECT person_id, count(*) AS warrants, sum(CASE WHEN status = 'ACTIVE' THEN 1 ELSE 0 END) AS active_warrants
    FROM warrants
    GROUP BY person_id
),
summoned AS (
    SELECT person_id, count(*) AS summonses FROM summonses GROUP BY person_id
)
SELECT
    persons.person_id,
    coalesce(linked.companions, 0) AS companions,
    coalesce(linked.edges, 0) AS edges,
    coalesce(printed.prints, 0) AS prints,
    coalesce(wanted.warrants, 0) AS warrants,
    coalesce(wanted.active_warrants, 0) AS active_warrants,
    coalesce(summoned.summonses, 0) AS summonses
FROM persons
LEFT JOIN linked ON linked.person_id = persons.person_id
LEFT JOIN printed ON printed.person_id = persons.person_id
LEFT JOIN wanted ON wanted.person_id = persons.person_id
LEFT JOIN summoned ON summoned.person_id = persons.person_id
