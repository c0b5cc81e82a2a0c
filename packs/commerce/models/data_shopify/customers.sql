-- kind: keyed
-- key: id
-- order_by: id
-- description: customers as they are now
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(tuple(extracted.email), extracted.version).1 AS email,
    argMax(tuple(extracted.first_name), extracted.version).1 AS first_name,
    argMax(tuple(extracted.last_name), extracted.version).1 AS last_name,
    argMax(tuple(extracted.phone), extracted.version).1 AS phone,
    argMax(tuple(extracted.state), extracted.version).1 AS state,
    argMax(tuple(extracted.created_at), extracted.version).1 AS created_at,
    argMax(tuple(extracted.updated_at), extracted.version).1 AS updated_at,
    argMax(tuple(extracted.orders_count), extracted.version).1 AS orders_count,
    argMax(tuple(extracted.total_spent), extracted.version).1 AS total_spent,
    argMax(tuple(extracted.currency), extracted.version).1 AS currency,
    argMax(tuple(extracted.tags), extracted.version).1 AS tags,
    argMax(extracted.accepts_marketing, extracted.version) AS accepts_marketing,
    argMax(extracted.addresses, extracted.version) AS addresses
FROM staging.shopify_customers AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING isNull(argMax(tuple(extracted.deleted_at), extracted.version).1)
