-- kind: view
-- description: bronze: accounts as they are in the source
SELECT account_id, user_name, email, country, signup_date
FROM bronze.raw_accounts
