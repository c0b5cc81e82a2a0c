-- kind: view
-- description: the country of an account alone: what transactions need of it
SELECT
    account.account_id AS account_id,
    name.iso AS country_normalized
FROM bronze.raw_accounts AS account
LEFT JOIN analytics.country_names AS name ON name.spelling = upperUTF8(trimBoth(account.country))
