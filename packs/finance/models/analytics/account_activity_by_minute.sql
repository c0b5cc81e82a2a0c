-- kind: incremental
-- description: transactions and money by UTC minute, account and currency: what velocity is read from
-- order_by: minute
SELECT
    toStartOfMinute(timestamp, 'UTC') AS minute,
    account_id,
    CAST(currency AS LowCardinality(String)) AS currency,
    count() AS transactions,
    countIf(status = 'failed') AS failed,
    sum(payment.amount) AS amount
FROM bronze.raw_transactions AS payment
GROUP BY minute, account_id, currency
