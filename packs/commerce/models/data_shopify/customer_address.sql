-- kind: view
-- description: addresses of customers
-- owner: data
-- audit: not_null(customer_id)
SELECT
    customer.id AS customer_id, address.id AS id, address.default AS is_default, address.address1 AS address1, address.city AS city,
    address.province AS province, address.province_code AS province_code, address.zip AS zip, address.country AS country, address.country_code AS country_code
FROM data_shopify.customers AS customer
ARRAY JOIN addresses AS address
