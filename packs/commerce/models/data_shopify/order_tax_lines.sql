-- kind: view
-- description: taxes of an order
-- owner: data
-- audit: not_null(order_id)
SELECT placed.id AS order_id, placed.currency AS currency, tax.title AS title, tax.rate AS rate, tax.price AS price
FROM data_shopify.orders AS placed
ARRAY JOIN tax_lines AS tax
