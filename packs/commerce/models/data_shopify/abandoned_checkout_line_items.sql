-- kind: view
-- description: what lay in the cart of a checkout
-- owner: data
-- audit: not_null(checkout_id)
SELECT
    checkout.id AS checkout_id, checkout.created_at AS created_at, checkout.currency AS currency, item.product_id AS product_id, item.variant_id AS variant_id,
    item.sku AS sku, item.title AS title, item.quantity AS quantity, item.price AS price
FROM data_shopify.abandoned_checkouts AS checkout
ARRAY JOIN line_items AS item
