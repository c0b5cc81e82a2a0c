-- kind: keyed
-- key: id
-- order_by: id
-- description: orders as they are now: the newest version of each; deleted ones are gone, and who asked to be forgotten has no address. Money in the currency of the shop
-- owner: data
-- audit: not_null(created_at, total_price), unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(tuple(extracted.name), extracted.version).1 AS name,
    argMax(tuple(extracted.order_number), extracted.version).1 AS order_number,
    if(max(person.redacted_at) >= argMax(extracted.created_at, extracted.version), NULL, argMax(tuple(extracted.email), extracted.version).1) AS email,
    argMax(tuple(extracted.customer_id), extracted.version).1 AS customer_id,
    argMax(tuple(extracted.created_at), extracted.version).1 AS created_at,
    argMax(tuple(extracted.updated_at), extracted.version).1 AS updated_at,
    argMax(tuple(extracted.processed_at), extracted.version).1 AS processed_at,
    argMax(tuple(extracted.cancelled_at), extracted.version).1 AS cancelled_at,
    argMax(tuple(extracted.cancel_reason), extracted.version).1 AS cancel_reason,
    argMax(extracted.currency, extracted.version) AS currency,
    argMax(tuple(extracted.presentment_currency), extracted.version).1 AS presentment_currency,
    argMax(tuple(extracted.financial_status), extracted.version).1 AS financial_status,
    argMax(tuple(extracted.fulfillment_status), extracted.version).1 AS fulfillment_status,
    argMax(extracted.is_test, extracted.version) AS is_test,
    argMax(tuple(extracted.source_name), extracted.version).1 AS source_name,
    argMax(tuple(extracted.landing_site), extracted.version).1 AS landing_site,
    argMax(tuple(extracted.referring_site), extracted.version).1 AS referring_site,
    argMax(tuple(extracted.tags), extracted.version).1 AS tags,
    argMax(tuple(extracted.total_line_items_price), extracted.version).1 AS total_line_items_price,
    argMax(tuple(extracted.total_discounts), extracted.version).1 AS total_discounts,
    argMax(tuple(extracted.subtotal_price), extracted.version).1 AS subtotal_price,
    argMax(tuple(extracted.total_tax), extracted.version).1 AS total_tax,
    argMax(tuple(extracted.total_price), extracted.version).1 AS total_price,
    argMax(tuple(extracted.total_shipping), extracted.version).1 AS total_shipping,
    argMax(extracted.line_items, extracted.version) AS line_items,
    argMax(extracted.discount_codes, extracted.version) AS discount_codes,
    argMax(extracted.tax_lines, extracted.version) AS tax_lines,
    if(max(person.redacted_at) >= argMax(extracted.created_at, extracted.version), [], argMax(extracted.note_attributes, extracted.version)) AS note_attributes,
    argMax(extracted.payment_gateways, extracted.version) AS payment_gateways,
    argMax(extracted.fulfillments, extracted.version) AS fulfillments
FROM staging.shopify_orders AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
LEFT JOIN staging.shopify_redacted_customers AS person ON person.customer_id = extracted.customer_id
WHERE tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING isNull(argMax(tuple(extracted.deleted_at), extracted.version).1)
