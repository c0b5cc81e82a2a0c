-- kind: view
-- description: what the shop or the customer noted on an order, by name
-- owner: data
-- audit: not_null(order_id, name)
SELECT placed.id AS order_id, note.name AS name, note.value AS value
FROM data_shopify.orders AS placed
ARRAY JOIN note_attributes AS note
