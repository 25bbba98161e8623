-- Text counts: words of a complaint's narrative, whether it names a weapon, and how many earlier ones nearby did.
-- Row: every complaint with a date. As of: for words and weapon the narrative as the system shows it today, since it keeps
-- no older version; for weapon_90 the day before the report. A word is what blanks set apart. weapon: gun, knife or
-- firearm, in any case, also inside a word. Window of weapon_90: complaints of the precinct reported 1 to 90 days before.
-- Null: words and weapon, where there is no narrative; weapon_90, where there is no precinct.
WITH told AS (
    SELECT
        complaint_number, precinct,
        date_diff('day', DATE '1970-01-01', CAST(reported_on AS DATE)) AS day,
        trim(narrative) AS narrative,
        CASE
            WHEN narrative IS NULL THEN NULL
            WHEN lower(narrative) LIKE '%gun%' OR lower(narrative) LIKE '%knife%' OR lower(narrative) LIKE '%firearm%'
                THEN 1
            ELSE 0
        END AS weapon
    FROM complaints
    WHERE reported_on IS NOT NULL
)
SELECT
    complaint_number,
    CASE
        WHEN narrative IS NULL THEN NULL
        WHEN length(narrative) = 0 THEN 0
        ELSE length(narrative) - length(replace(narrative, ' ', '')) + 1
    END AS words,
    weapon,
    CASE WHEN precinct IS NOT NULL THEN coalesce(sum(weapon) OVER (
        PARTITION BY precinct ORDER BY day RANGE BETWEEN 90 PRECEDING AND 1 PRECEDING
    ), 0) END AS weapon_90
FROM told
