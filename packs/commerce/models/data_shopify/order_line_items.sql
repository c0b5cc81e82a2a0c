-- kind: view
-- description: what was ordered, line by line. refunded_quantity is what came back so far
-- owner: data
-- audit: not_null(id, price), unique(order_id, id)
SELECT
    placed.id AS order_id,
    item.id AS id,
    placed.created_at AS created_at,
    placed.currency AS currency,
    placed.customer_id AS customer_id,
    placed.is_test AS is_test,
    item.product_id AS product_id,
    item.variant_id AS variant_id,
    item.sku AS sku,
    item.title AS title,
    item.variant_title AS variant_title,
    item.vendor AS vendor,
    item.gift_card AS gift_card,
    item.quantity AS quantity,
    item.price AS price,
    toDecimal128(item.price, 4) * item.quantity AS gross,
    arraySum(allocation -> ifNull(allocation.amount, 0), item.discount_allocations) AS discounts,
    arraySum(tax -> ifNull(tax.price, 0), item.tax_lines) AS tax,
    ifNull(returned.quantity, 0) AS refunded_quantity
FROM data_shopify.orders AS placed
ARRAY JOIN line_items AS item
LEFT JOIN
(
    SELECT order_id, line_item_id, sum(refunded.quantity) AS quantity
    FROM data_shopify.order_refund_line_items AS refunded
    GROUP BY order_id, line_item_id
) AS returned ON returned.order_id = placed.id AND returned.line_item_id = item.id
