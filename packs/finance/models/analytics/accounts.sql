-- kind: view
-- description: accounts, cleaned. account_age_days is as of the moment of the query; country_normalized is NULL when nobody knows the spelling (add it to analytics.country_names)
-- audit: unique(account_id)
-- audit: not_null(country_normalized)
SELECT
    account.account_id AS account_id,
    account.user_name AS user_name,
    lowerUTF8(trimBoth(account.email)) AS email_normalized,
    account.signup_date AS signup_date,
    dateDiff('day', account.signup_date, toDate32(now('UTC'))) AS account_age_days,
    name.iso AS country_normalized
FROM bronze.raw_accounts AS account
LEFT JOIN analytics.country_names AS name ON name.spelling = upperUTF8(trimBoth(account.country))
