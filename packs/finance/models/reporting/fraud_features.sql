-- kind: keyed
-- key: account_id, date
-- order_by: date, account_id
-- description: what an account did on a UTC day, attempts that failed included: a card is tested with attempts
-- audit: unique(account_id, date)
SELECT
    account_id,
    date,
    count() AS num_txn,
    sum(amount_eur) AS daily_volume,
    max(amount_eur) AS max_txn,
    uniqExact(ip_country) AS num_countries_used,
    uniqExact(device_id) AS num_devices_used,
    countIf(ip_country != account_country) AS country_mismatch_count,
    countIf(amount_eur > 1000) AS high_value_txn_count,
    countIf(is_proxy) AS proxy_count,
    countIf(status = 'failed') AS failed_count
FROM analytics.transactions
GROUP BY account_id, date
