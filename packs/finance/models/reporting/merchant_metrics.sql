-- kind: view
-- description: successful transactions by merchant and UTC day, with the merchant's name as it is now
-- audit: unique(merchant_id, date)
SELECT
    metrics.merchant_id AS merchant_id,
    merchant.merchant_name AS merchant_name,
    metrics.date AS date,
    metrics.transactions AS transactions,
    metrics.revenue_eur AS revenue_eur,
    metrics.unique_customers AS unique_customers
FROM
(
    SELECT
        merchant_id,
        date,
        sum(day.transactions) AS transactions,
        sum(day.revenue_eur) AS revenue_eur,
        sum(day.customers) AS unique_customers
    FROM
    (
        SELECT merchant_id, date, transactions, revenue_eur, toUInt64(0) AS customers
        FROM analytics.merchant_activity_daily_eur
        UNION ALL
        SELECT
            merchant_id,
            date,
            toUInt64(0) AS transactions,
            CAST(NULL AS Nullable(Decimal(38, 8))) AS revenue_eur,
            count() AS customers
        FROM analytics.merchant_customers_daily
        GROUP BY merchant_id, date
    ) AS day
    GROUP BY merchant_id, date
) AS metrics
LEFT JOIN (SELECT merchant_id, toNullable(merchant_name) AS merchant_name FROM analytics.merchants) AS merchant
    ON merchant.merchant_id = metrics.merchant_id
