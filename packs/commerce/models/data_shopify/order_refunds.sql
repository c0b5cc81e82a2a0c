-- kind: keyed
-- key: id
-- order_by: id
-- description: refunds as they are now: what went back, in goods, tax, adjustments and money. Money in the currency of the shop
-- owner: data
-- audit: not_null(created_at), relationships(order_id, data_shopify.orders, id) severity=warning
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.order_id, extracted.version) AS order_id,
    argMax(tuple(extracted.created_at), extracted.version).1 AS created_at,
    argMax(tuple(extracted.processed_at), extracted.version).1 AS processed_at,
    argMax(tuple(extracted.note), extracted.version).1 AS note,
    argMax(extracted.restock, extracted.version) AS restock,
    argMax(extracted.refund_line_items, extracted.version) AS refund_line_items,
    argMax(extracted.transactions, extracted.version) AS transactions,
    argMax(extracted.order_adjustments, extracted.version) AS order_adjustments,
    arraySum(item -> ifNull(item.subtotal, 0), refund_line_items) AS refunded_subtotal,
    arraySum(item -> ifNull(item.total_tax, 0), refund_line_items) AS refunded_tax,
    arraySum(item -> item.quantity, refund_line_items) AS refunded_units,
    arraySum(entry -> ifNull(entry.amount, 0) + ifNull(entry.tax_amount, 0), order_adjustments) AS adjusted,
    arraySum(entry -> if(entry.kind = 'refund' AND entry.status = 'success', ifNull(entry.amount, 0), 0), transactions) AS paid_back
FROM staging.shopify_refunds AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE tupleElement(extracted.version, 1) > gone.redacted_at
GROUP BY id
