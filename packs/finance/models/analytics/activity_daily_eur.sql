-- kind: view
-- description: analytics.activity_daily in EUR: all amounts of a day in one currency have one rate, so the product of the sum is the sum of the products
SELECT
    activity.date AS date,
    activity.currency AS currency,
    activity.transactions AS transactions,
    activity.succeeded AS succeeded,
    activity.failed AS failed,
    if(activity.currency = 'EUR', toDecimal64(1, 6), rate.rate_to_eur) AS rate_to_eur,
    toDecimal128(activity.amount, 2) * rate_to_eur AS amount_eur,
    toDecimal128(activity.succeeded_amount, 2) * rate_to_eur AS succeeded_amount_eur
FROM analytics.activity_daily AS activity
ASOF LEFT JOIN analytics.fx_rates AS rate ON rate.currency = activity.currency AND rate.date <= activity.date
