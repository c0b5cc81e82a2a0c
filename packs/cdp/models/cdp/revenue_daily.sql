-- kind: incremental
-- order_by: date
-- description: paid and refunded orders by UTC day and category
SELECT
    toDate32(placed.placed_at, 'UTC') AS date,
    product.category AS category,
    count() AS orders,
    countIf(placed.status = 'refunded') AS refunds,
    sumIf(placed.amount, placed.status = 'paid') AS revenue
FROM bronze.orders AS placed
LEFT JOIN bronze.products AS product ON product.id = placed.product_id
GROUP BY date, category
