-- kind: view
-- description: bronze: merchants as they are in the source
SELECT merchant_id, merchant_name, merchant_category, country, risk_rating
FROM bronze.raw_merchants
