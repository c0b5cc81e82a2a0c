-- kind: view
-- description: goods that came back, line by line
-- owner: data
-- audit: not_null(refund_id, line_item_id)
SELECT
    refund.id AS refund_id, item.id AS id, refund.order_id AS order_id, item.line_item_id AS line_item_id, refund.created_at AS created_at,
    item.quantity AS quantity, item.restock_type AS restock_type, item.subtotal AS subtotal, item.total_tax AS total_tax
FROM data_shopify.order_refunds AS refund
ARRAY JOIN refund_line_items AS item
