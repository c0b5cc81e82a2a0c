-- kind: view
-- description: one row an order that counts (no test orders): gross, discounts, what came back since, and which order of the customer it is
-- owner: shop
-- audit: unique(order_id)
SELECT
    placed.id AS order_id,
    placed.shop AS shop,
    placed.currency AS currency,
    placed.created_at AS created_at,
    placed.processed_at AS processed_at,
    placed.customer_id AS customer_id,
    placed.email AS email,
    toBool(isNotNull(placed.cancelled_at)) AS is_cancelled,
    arraySum(item -> item.quantity, placed.line_items) AS units,
    arraySum(item -> toDecimal128(ifNull(item.price, 0), 4) * item.quantity, placed.line_items) AS gross,
    arraySum(item -> arraySum(allocation -> ifNull(allocation.amount, 0), item.discount_allocations), placed.line_items) AS discounts,
    ifNull(placed.total_shipping, 0) AS shipping,
    ifNull(placed.total_tax, 0) AS tax,
    ifNull(placed.total_price, 0) AS total,
    ifNull(back.returns, 0) AS returns,
    ifNull(back.units, 0) AS units_returned,
    gross - discounts - returns AS net,
    if(isNull(placed.customer_id), NULL,
       row_number() OVER (PARTITION BY placed.customer_id ORDER BY placed.created_at, placed.id)) AS order_number_of_customer
FROM (SELECT * FROM data_shopify.orders WHERE NOT is_test) AS placed
LEFT JOIN
(
    SELECT order_id, sum(refund.refunded_subtotal) AS returns, sum(refund.refunded_units) AS units
    FROM data_shopify.order_refunds AS refund
    GROUP BY order_id
) AS back ON back.order_id = placed.id
