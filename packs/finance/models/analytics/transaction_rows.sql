-- kind: incremental
-- description: one row per transaction in the order its readers want, following settlements and charge-backs; dimensions are joined in analytics.transactions
-- key: transaction_id
-- order_by: account_id, date
-- audit: accepted_values(status, success, failed, pending)
SELECT
    transaction_id,
    account_id,
    timestamp,
    toDate32(timestamp, 'UTC') AS date,
    amount,
    CAST(currency AS LowCardinality(String)) AS currency,
    merchant_id,
    CAST(status AS LowCardinality(String)) AS status,
    ip,
    device_id
FROM bronze.raw_transactions
