-- kind: view
-- description: accounts, cleaned. account_age_days is as of the moment of the query
-- audit: unique(account_id)
SELECT
    account.account_id AS account_id,
    account.user_name AS user_name,
    lowerUTF8(trimBoth(account.email)) AS email_normalized,
    account.signup_date AS signup_date,
    dateDiff('day', account.signup_date, toDate32(now('UTC'))) AS account_age_days,
    place.country_normalized AS country_normalized
FROM bronze.raw_accounts AS account
LEFT JOIN analytics.account_countries AS place ON place.account_id = account.account_id
