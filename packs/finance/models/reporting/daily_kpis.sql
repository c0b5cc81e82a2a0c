-- kind: view
-- description: by UTC day. The first five columns are about successful transactions; failure_rate is failed / (failed + successful). Money leaves out transactions without a rate, which are counted beside it
-- audit: unique(date)
-- audit: accepted_values(transactions_without_rate, 0)
SELECT
    date,
    num_transactions,
    total_volume_eur,
    if(priced_transactions = 0, NULL, toFloat64(total_volume_eur) / priced_transactions) AS avg_transaction_value,
    active_accounts,
    all_transactions,
    all_volume_eur,
    failed_transactions,
    all_transactions - num_transactions - failed_transactions AS pending_transactions,
    if(num_transactions + failed_transactions = 0, 0,
       failed_transactions / (num_transactions + failed_transactions)) AS failure_rate,
    transactions_without_rate
FROM
(
    SELECT
        date,
        sum(day.succeeded) AS num_transactions,
        sum(day.priced) AS priced_transactions,
        sum(day.succeeded_amount_eur) AS total_volume_eur,
        sum(day.accounts) AS active_accounts,
        sum(day.transactions) AS all_transactions,
        sum(day.amount_eur) AS all_volume_eur,
        sum(day.failed) AS failed_transactions,
        sum(day.without_rate) AS transactions_without_rate
    FROM
    (
        SELECT
            date,
            transactions,
            succeeded,
            failed,
            if(rate_to_eur IS NULL, 0, succeeded) AS priced,
            if(rate_to_eur IS NULL, transactions, 0) AS without_rate,
            amount_eur,
            succeeded_amount_eur,
            toUInt64(0) AS accounts
        FROM analytics.activity_daily_eur
        UNION ALL
        SELECT
            date,
            toUInt64(0) AS transactions,
            toUInt64(0) AS succeeded,
            toUInt64(0) AS failed,
            toUInt64(0) AS priced,
            toUInt64(0) AS without_rate,
            CAST(NULL AS Nullable(Decimal(38, 8))) AS amount_eur,
            CAST(NULL AS Nullable(Decimal(38, 8))) AS succeeded_amount_eur,
            uniqExact(account_id) AS accounts
        FROM analytics.account_activity_daily
        GROUP BY date
    ) AS day
    GROUP BY date
)
