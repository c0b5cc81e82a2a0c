-- kind: incremental
-- description: who bought where on a day: a pair is there as long as it has a successful transaction, so customers are counted, never added up
-- order_by: date, merchant_id
SELECT
    toDate32(timestamp, 'UTC') AS date,
    merchant_id,
    account_id,
    count() AS transactions
FROM bronze.raw_transactions
WHERE status = 'success'
GROUP BY date, merchant_id, account_id
