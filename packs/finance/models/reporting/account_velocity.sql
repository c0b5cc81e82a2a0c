-- kind: view
-- description: how fast an account spends: the hour and the 24 hours up to as_of, the newest minute with a transaction (a transaction dated in the future moves nothing)
-- audit: unique(account_id)
SELECT
    account_id,
    max(moment.as_of) AS as_of,
    sumIf(moment.transactions, moment.recent) AS txn_1h,
    sum(moment.transactions) AS txn_24h,
    sumIf(moment.amount_eur, moment.recent) AS volume_1h_eur,
    sum(moment.amount_eur) AS volume_24h_eur,
    sumIf(moment.failed, moment.recent) AS failed_1h
FROM
(
    SELECT
        activity.account_id AS account_id,
        activity.as_of AS as_of,
        activity.minute > activity.as_of - INTERVAL 1 HOUR AS recent,
        activity.transactions AS transactions,
        activity.failed AS failed,
        toDecimal128(activity.amount, 2) * if(activity.currency = 'EUR', toDecimal64(1, 6), rate.rate_to_eur) AS amount_eur
    FROM
    (
        SELECT
            minute,
            toDate32(minute, 'UTC') AS date,
            account_id,
            currency,
            transactions,
            failed,
            amount,
            (SELECT max(minute) FROM analytics.activity_by_minute WHERE minute <= now('UTC')) AS as_of
        FROM analytics.account_activity_by_minute
        WHERE minute <= as_of AND minute > as_of - INTERVAL 24 HOUR
    ) AS activity
    ASOF LEFT JOIN analytics.fx_rates AS rate ON rate.currency = activity.currency AND rate.date <= activity.date
) AS moment
GROUP BY account_id
