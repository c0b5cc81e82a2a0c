-- kind: view
-- description: what was in a parcel, line by line
-- owner: data
-- audit: not_null(fulfillment_id, line_item_id)
SELECT fulfillment_id, order_id, item.id AS line_item_id, item.sku AS sku, item.quantity AS quantity
FROM
(
    SELECT parcel.id AS fulfillment_id, placed.id AS order_id, tupleElement(parcel, 'line_items') AS items
    FROM data_shopify.orders AS placed
    ARRAY JOIN fulfillments AS parcel
)
ARRAY JOIN items AS item
