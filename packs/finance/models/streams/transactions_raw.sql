-- kind: view
-- description: bronze: transactions as they are in the source
SELECT transaction_id, account_id, timestamp, amount, currency, merchant_id, status, ip, device_id
FROM bronze.raw_transactions
