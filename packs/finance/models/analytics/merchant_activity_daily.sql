-- kind: incremental
-- description: successful transactions and money by day, merchant and currency
-- order_by: date
SELECT
    toDate32(timestamp, 'UTC') AS date,
    merchant_id,
    CAST(currency AS LowCardinality(String)) AS currency,
    count() AS transactions,
    sum(payment.amount) AS amount
FROM bronze.raw_transactions AS payment
WHERE status = 'success'
GROUP BY date, merchant_id, currency
