-- kind: view
-- description: accounts with a risk score of 50 or more on the newest UTC day or the one before, velocity included: one row each, of their worst day
-- audit: unique(account_id)
SELECT
    risk.account_id AS account_id,
    account.user_name AS user_name,
    account.country_normalized AS country,
    risk.date AS date,
    risk.score AS risk_score,
    risk.reasons AS reasons,
    risk.num_txn AS num_txn,
    risk.daily_volume AS daily_volume
FROM
(
    SELECT
        account_id,
        argMax(scored.date, (scored.score, scored.date)) AS date,
        argMax(scored.score, (scored.score, scored.date)) AS score,
        argMax(scored.reasons, (scored.score, scored.date)) AS reasons,
        argMax(scored.num_txn, (scored.score, scored.date)) AS num_txn,
        argMax(scored.daily_volume, (scored.score, scored.date)) AS daily_volume
    FROM
    (
        SELECT
            day.account_id AS account_id,
            day.date AS date,
            velocity.txn_1h >= 10 AND velocity.txn_1h > velocity.txn_24h * 0.5 AND day.date = toDate32(velocity.as_of) AS fast,
            toUInt8(least(100, day.risk_score + if(fast, 20, 0))) AS score,
            if(fast, arrayPushBack(day.reasons, concat(toString(velocity.txn_1h), ' in an hour')), day.reasons) AS reasons,
            day.num_txn AS num_txn,
            day.daily_volume AS daily_volume
        FROM
        (
            SELECT account_id, date, risk_score, reasons, num_txn, daily_volume
            FROM reporting.account_risk
            WHERE date >= (SELECT max(date) - 1 FROM analytics.activity_daily WHERE date <= toDate32(now('UTC')))
              AND date <= toDate32(now('UTC'))
        ) AS day
        LEFT JOIN reporting.account_velocity AS velocity ON velocity.account_id = day.account_id
    ) AS scored
    WHERE scored.score >= 50
    GROUP BY account_id
) AS risk
LEFT JOIN
(
    SELECT account_id, toNullable(user_name) AS user_name, country_normalized FROM analytics.accounts
) AS account ON account.account_id = risk.account_id
