-- kind: view
-- description: what one unit of a currency was worth in EUR on the days that have a rate; EUR itself is 1 by definition
-- audit: unique(date, currency)
SELECT
    currency,
    date,
    toNullable(rate_to_eur) AS rate_to_eur
FROM bronze.raw_fx_rates
WHERE currency != 'EUR'
