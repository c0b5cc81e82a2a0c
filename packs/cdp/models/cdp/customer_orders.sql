-- kind: keyed
-- key: customer_id
-- order_by: customer_id
-- description: what a customer has bought, as the orders say now: refunds are taken back, deleted orders are gone
-- audit: not_null(customer_id), unique(customer_id)
SELECT
    orders.customer_id AS customer_id,
    count() AS orders,
    countIf(orders.status = 'refunded') AS refunds,
    sumIf(orders.amount, orders.status = 'paid') AS spent,
    min(orders.placed_at) AS first_order_at,
    max(orders.placed_at) AS last_order_at,
    uniqExact(orders.product_id) AS products,
    arraySort(groupUniqArray(product.category)) AS categories
FROM bronze.orders AS orders
LEFT JOIN bronze.products AS product ON product.id = orders.product_id
GROUP BY customer_id
