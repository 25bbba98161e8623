-- The complaints that the linking model reads: three crime types, no status, no clearance, no line-up.
SELECT
    complaint_number, crime_type, occurred_at, premise, entry, weapon, method, stolen, x, y, precinct,
    suspect_age, suspect_sex, suspect_race, suspect_height, narrative
FROM complaints
WHERE crime_type IN ('BURGLARY', 'ROBBERY', 'GRAND LARCENY')
