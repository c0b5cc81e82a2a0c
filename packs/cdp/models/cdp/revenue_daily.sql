-- kind: incremental
-- order_by: date, category
-- description: paid and refunded orders by UTC day and category
SELECT
    toDate32(orders.placed_at, 'UTC') AS date,
    product.category AS category,
    count() AS orders,
    countIf(orders.status = 'refunded') AS refunds,
    sumIf(orders.amount, orders.status = 'paid') AS revenue
FROM bronze.orders AS orders
LEFT JOIN bronze.products AS product ON product.id = orders.product_id
GROUP BY date, category
