-- kind: view
-- description: bronze: exchange rates as they are in the source
SELECT date, currency, rate_to_eur
FROM bronze.raw_fx_rates
