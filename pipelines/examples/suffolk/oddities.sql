-- What is odd in the raw charges, counted; nothing is dropped for it.
SELECT
    count(*) AS charges,
    count(*) - (SELECT count(*) FROM (SELECT DISTINCT * FROM charges)) AS repeated_rows,
    count(*) FILTER (WHERE Disposition IS NULL) AS empty_dispositions,
    count(*) FILTER (WHERE "Dispo Date" IS NULL) AS empty_disposition_dates,
    count(*) FILTER (WHERE CAST("Dispo Date" AS DATE) < CAST(Filed AS DATE)) AS disposed_before_filed,
    count(*) FILTER (WHERE CAST("Dispo Date" AS DATE) > DATE '2019-12-31') AS disposed_in_the_future,
    min(CAST("Dispo Date" AS DATE)) AS earliest_disposition,
    max(CAST("Dispo Date" AS DATE)) AS latest_disposition
FROM charges
