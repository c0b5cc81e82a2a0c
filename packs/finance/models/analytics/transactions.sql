-- kind: view
-- description: transactions in EUR with the places of account and IP. amount_eur is the exact product of amount and the last rate known on that day; NULL when there is none
-- audit: not_null(amount_eur)
SELECT
    fact.transaction_id AS transaction_id,
    fact.account_id AS account_id,
    fact.timestamp AS timestamp,
    fact.date AS date,
    toDecimal128(fact.amount, 2) * if(fact.currency = 'EUR', toDecimal64(1, 6), rate.rate_to_eur) AS amount_eur,
    fact.currency AS currency_original,
    fact.merchant_id AS merchant_id,
    account.country_normalized AS account_country,
    place.country AS ip_country,
    place.city AS ip_city,
    place.is_proxy AS is_proxy,
    fact.device_id AS device_id,
    fact.status AS status
FROM analytics.transaction_rows AS fact
ASOF LEFT JOIN analytics.fx_rates AS rate ON rate.currency = fact.currency AND rate.date <= fact.date
LEFT JOIN analytics.account_countries AS account ON account.account_id = fact.account_id
LEFT JOIN analytics.ip_places AS place ON place.ip = fact.ip
