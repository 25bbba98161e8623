-- Sealed cases, and those whose effective date is the filing because no usable disposition date stands.
WITH per_case AS (
    SELECT charges."Person ID", charges.Filed,
        bool_and(coalesce(exact.favourable, otherwise.favourable, 'no') = 'yes') AS sealed,
        max(TRY_CAST(charges."Dispo Date" AS DATE)) AS ended
    FROM charges
    LEFT JOIN favourable AS exact ON exact.disposition = charges.Disposition AND exact.reason = charges."Description Disposition Reason"
    LEFT JOIN favourable AS otherwise ON otherwise.disposition = charges.Disposition AND otherwise.reason = '*'
    GROUP BY ALL
)
SELECT
    count(*) AS cases_in,
    count(*) FILTER (WHERE sealed) AS cases_sealed,
    count(*) FILTER (WHERE sealed AND ended IS NULL) AS effective_date_missing,
    count(*) FILTER (WHERE sealed AND ended < CAST(Filed AS DATE)) AS effective_date_before_filing,
    count(*) FILTER (WHERE sealed AND ended > DATE '2019-12-31') AS effective_date_in_the_future
FROM per_case
