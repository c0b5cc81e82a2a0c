-- kind: incremental
-- description: successful transactions and money by UTC day, account and currency; an account is active as long as it has one
-- order_by: date
SELECT
    toDate32(timestamp, 'UTC') AS date,
    account_id,
    CAST(currency AS LowCardinality(String)) AS currency,
    count() AS transactions,
    sum(payment.amount) AS amount
FROM bronze.raw_transactions AS payment
WHERE status = 'success'
GROUP BY date, account_id, currency
