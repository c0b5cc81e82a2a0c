-- kind: incremental
-- description: orders and their amount by country of the customer
SELECT c.country AS country, count() AS orders, sum(o.amount) AS amount
FROM bronze.orders AS o
LEFT JOIN bronze.customers AS c ON c.id = o.customer_id
GROUP BY country
