-- kind: view
-- description: merchants, with the country as an ISO code
-- audit: unique(merchant_id)
-- audit: not_null(country_normalized)
-- audit: accepted_values(risk_rating, 1, 2, 3, 4, 5)
SELECT
    merchant.merchant_id AS merchant_id,
    merchant.merchant_name AS merchant_name,
    merchant.merchant_category AS merchant_category,
    merchant.country AS country,
    name.iso AS country_normalized,
    merchant.risk_rating AS risk_rating
FROM bronze.raw_merchants AS merchant
LEFT JOIN analytics.country_names AS name ON name.spelling = upperUTF8(trimBoth(merchant.country))
