-- kind: view
-- description: successful transactions by category of merchant and UTC day; 'unknown' are merchants without a record
-- audit: unique(merchant_category, date)
SELECT
    if(merchant.merchant_category = '', 'unknown', merchant.merchant_category) AS merchant_category,
    activity.date AS date,
    sum(activity.transactions) AS transactions,
    sum(activity.revenue_eur) AS revenue_eur
FROM analytics.merchant_activity_daily_eur AS activity
LEFT JOIN analytics.merchants AS merchant ON merchant.merchant_id = activity.merchant_id
GROUP BY merchant_category, date
