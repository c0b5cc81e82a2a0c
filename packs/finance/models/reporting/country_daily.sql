-- kind: view
-- description: successful transactions by country of the account and UTC day; '??' are accounts without a record or with a country nobody knows
-- audit: unique(country, date)
SELECT
    ifNull(account.country_normalized, '??') AS country,
    activity.date AS date,
    sum(activity.transactions) AS transactions,
    sum(toDecimal128(activity.amount, 2) * if(activity.currency = 'EUR', toDecimal64(1, 6), rate.rate_to_eur)) AS volume_eur,
    uniqExact(activity.account_id) AS active_accounts
FROM analytics.account_activity_daily AS activity
ASOF LEFT JOIN analytics.fx_rates AS rate ON rate.currency = activity.currency AND rate.date <= activity.date
LEFT JOIN analytics.account_countries AS account ON account.account_id = activity.account_id
GROUP BY country, date
