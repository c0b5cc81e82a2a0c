-- kind: incremental
-- description: transactions and money by UTC day and currency, of all accounts
SELECT
    toDate32(timestamp, 'UTC') AS date,
    CAST(currency AS LowCardinality(String)) AS currency,
    count() AS transactions,
    countIf(status = 'success') AS succeeded,
    countIf(status = 'failed') AS failed,
    sum(payment.amount) AS amount,
    sumIf(payment.amount, status = 'success') AS succeeded_amount
FROM bronze.raw_transactions AS payment
GROUP BY date, currency
