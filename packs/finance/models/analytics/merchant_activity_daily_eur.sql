-- kind: view
-- description: analytics.merchant_activity_daily in EUR
SELECT
    activity.date AS date,
    activity.merchant_id AS merchant_id,
    activity.currency AS currency,
    activity.transactions AS transactions,
    toDecimal128(activity.amount, 2) * if(activity.currency = 'EUR', toDecimal64(1, 6), rate.rate_to_eur) AS revenue_eur
FROM analytics.merchant_activity_daily AS activity
ASOF LEFT JOIN analytics.fx_rates AS rate ON rate.currency = activity.currency AND rate.date <= activity.date
