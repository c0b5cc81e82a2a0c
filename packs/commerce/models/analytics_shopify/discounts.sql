-- kind: view
-- description: what codes were used for, by currency
-- owner: shop
-- audit: unique(code, currency)
SELECT
    used.code AS code, used.currency AS currency, count() AS orders, sum(ifNull(used.amount, 0)) AS discounted,
    sum(placed.gross - placed.discounts) AS sales, uniqExact(placed.customer_id) AS customers
FROM data_shopify.order_discount AS used
INNER JOIN analytics_shopify.order_values AS placed ON placed.order_id = used.order_id
GROUP BY code, currency
