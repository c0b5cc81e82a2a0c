-- kind: view
-- description: money that went back
-- owner: data
-- audit: not_null(refund_id)
SELECT
    refund.id AS refund_id, paid.id AS id, refund.order_id AS order_id, refund.created_at AS created_at,
    paid.kind AS kind, paid.status AS status, paid.gateway AS gateway, paid.currency AS currency, paid.amount AS amount
FROM data_shopify.order_refunds AS refund
ARRAY JOIN transactions AS paid
