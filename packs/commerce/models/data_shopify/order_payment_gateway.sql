-- kind: view
-- description: how an order was paid
-- owner: data
-- audit: not_null(order_id, payment_gateway)
SELECT placed.id AS order_id, gateway AS payment_gateway
FROM data_shopify.orders AS placed
ARRAY JOIN payment_gateways AS gateway
