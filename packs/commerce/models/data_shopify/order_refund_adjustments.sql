-- kind: view
-- description: what a refund differs from its goods by
-- owner: data
-- audit: not_null(refund_id)
SELECT
    refund.id AS refund_id, entry.id AS id, refund.order_id AS order_id, refund.created_at AS created_at,
    entry.kind AS kind, entry.reason AS reason, entry.amount AS amount, entry.tax_amount AS tax_amount
FROM data_shopify.order_refunds AS refund
ARRAY JOIN order_adjustments AS entry
