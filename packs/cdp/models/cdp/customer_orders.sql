-- kind: keyed
-- key: customer_id
-- order_by: customer_id
-- description: what a customer has bought, as the orders say now: refunds are taken back, deleted orders are gone
-- audit: not_null(customer_id), unique(customer_id)
SELECT
    placed.customer_id AS customer_id,
    count() AS orders,
    countIf(placed.status = 'refunded') AS refunds,
    sumIf(placed.amount, placed.status = 'paid') AS spent,
    min(placed.placed_at) AS first_order_at,
    max(placed.placed_at) AS last_order_at,
    uniqExact(placed.product_id) AS products,
    arraySort(groupUniqArray(product.category)) AS categories
FROM bronze.orders AS placed
LEFT JOIN bronze.products AS product ON product.id = placed.product_id
GROUP BY customer_id
