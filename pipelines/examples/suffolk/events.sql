-- Seal events from the raw charges and the table of favourable dispositions. A case is sealed when every charge in it
-- ended favourably, on the day of its latest disposition if that lies between its filing and 2019-12-31, else on filing.
WITH charge AS (
    SELECT
        charges."Person ID" AS person,
        charges.Filed AS filed,
        TRY_CAST(charges."Dispo Date" AS DATE) AS ended,
        coalesce(exact.favourable, otherwise.favourable, 'no') = 'yes' AS favourable
    FROM charges
    LEFT JOIN favourable AS exact
        ON exact.disposition = charges.Disposition
        AND exact.reason = charges."Description Disposition Reason"
    LEFT JOIN favourable AS otherwise
        ON otherwise.disposition = charges.Disposition
        AND otherwise.reason = '*'
),
sealed AS (
    SELECT person, filed, max(ended) AS ended
    FROM charge
    GROUP BY person, filed
    HAVING bool_and(favourable)
)
SELECT
    'suffolk_case' AS kind,
    person || '|' || filed AS identifier,
    'seal' AS action,
    'example/favourable' AS statute,
    strftime(CASE WHEN ended BETWEEN CAST(filed AS DATE) AND DATE '2019-12-31' THEN ended ELSE CAST(filed AS DATE) END, '%Y-%m-%d') AS effective_on,
    strftime(CASE WHEN ended BETWEEN CAST(filed AS DATE) AND DATE '2019-12-31' THEN ended ELSE CAST(filed AS DATE) END, '%Y-%m-%d') AS recorded_on
FROM sealed
