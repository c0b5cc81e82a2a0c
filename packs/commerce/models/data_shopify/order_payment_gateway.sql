-- kind: view
-- description: how an order was paid
SELECT placed.id AS order_id, gateway AS payment_gateway
FROM data_shopify.orders AS placed
ARRAY JOIN payment_gateways AS gateway
