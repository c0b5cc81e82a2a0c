-- kind: view
-- description: the codes an order was made with
-- owner: data
-- audit: not_null(order_id, code)
SELECT placed.id AS order_id, placed.created_at AS created_at, placed.currency AS currency, discount.code AS code, discount.type AS type, discount.amount AS amount
FROM data_shopify.orders AS placed
ARRAY JOIN discount_codes AS discount
