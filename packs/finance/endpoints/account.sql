-- description: what one account did, by day, newest first
-- param account_id UUID required "Account"
SELECT date, num_txn, daily_volume, max_txn, num_countries_used, num_devices_used, country_mismatch_count, high_value_txn_count, proxy_count, failed_count
FROM reporting.fraud_features
WHERE account_id = {account_id:UUID}
ORDER BY date DESC
