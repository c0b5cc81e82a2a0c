-- kind: keyed
-- key: id
-- order_by: id
-- description: checkouts that were begun, as they are now; completed_at says that an order came of it
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(tuple(extracted.token), extracted.version).1 AS token,
    argMax(tuple(extracted.cart_token), extracted.version).1 AS cart_token,
    if(max(person.redacted_at) >= argMax(extracted.created_at, extracted.version), NULL, argMax(tuple(extracted.email), extracted.version).1) AS email,
    argMax(tuple(extracted.customer_id), extracted.version).1 AS customer_id,
    argMax(tuple(extracted.created_at), extracted.version).1 AS created_at,
    argMax(tuple(extracted.updated_at), extracted.version).1 AS updated_at,
    argMax(tuple(extracted.completed_at), extracted.version).1 AS completed_at,
    argMax(tuple(extracted.closed_at), extracted.version).1 AS closed_at,
    argMax(extracted.currency, extracted.version) AS currency,
    argMax(tuple(extracted.subtotal_price), extracted.version).1 AS subtotal_price,
    argMax(tuple(extracted.total_discounts), extracted.version).1 AS total_discounts,
    argMax(tuple(extracted.total_tax), extracted.version).1 AS total_tax,
    argMax(tuple(extracted.total_price), extracted.version).1 AS total_price,
    argMax(extracted.line_items, extracted.version) AS line_items
FROM staging.shopify_checkouts AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
LEFT JOIN staging.shopify_redacted_customers AS person ON person.customer_id = extracted.customer_id
WHERE tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING isNull(argMax(tuple(extracted.deleted_at), extracted.version).1)
