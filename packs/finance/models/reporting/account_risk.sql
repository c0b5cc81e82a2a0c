-- kind: view
-- description: a score from 0 to 100 for an account and UTC day, and its reasons in words. Rules are shares with a floor, so that busy accounts are not suspicious for being busy
-- audit: unique(account_id, date)
SELECT
    account_id,
    date,
    toUInt8(least(100, arraySum(arrayMap(rule -> if(rule.1, rule.2, 0), rules)))) AS risk_score,
    arrayMap(rule -> rule.3, arrayFilter(rule -> rule.1, rules)) AS reasons,
    num_txn,
    daily_volume,
    max_txn
FROM
(
    SELECT
        account_id,
        date,
        num_txn,
        daily_volume,
        max_txn,
        [
            (high_value_txn_count >= 3 AND high_value_txn_count > num_txn * 0.2, 25,
             concat(toString(high_value_txn_count), ' of ', toString(num_txn), ' over 1000 EUR')),
            (country_mismatch_count >= 3 AND country_mismatch_count > num_txn * 0.3, 20,
             concat(toString(country_mismatch_count), ' from another country')),
            (num_countries_used >= 4, 15, concat('from ', toString(num_countries_used), ' countries')),
            (proxy_count >= 3 AND proxy_count > num_txn * 0.3, 20, concat(toString(proxy_count), ' through a proxy')),
            (num_devices_used >= 4, 10, concat('with ', toString(num_devices_used), ' devices')),
            (failed_count >= 3 AND failed_count > num_txn * 0.3, 20, concat(toString(failed_count), ' failed'))
        ] AS rules
    FROM reporting.fraud_features
)
