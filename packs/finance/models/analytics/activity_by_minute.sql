-- kind: incremental
-- description: transactions by UTC minute and status
SELECT
    toStartOfMinute(timestamp, 'UTC') AS minute,
    count() AS transactions,
    countIf(status = 'success') AS succeeded,
    countIf(status = 'failed') AS failed,
    countIf(status = 'pending') AS pending
FROM bronze.raw_transactions
GROUP BY minute
