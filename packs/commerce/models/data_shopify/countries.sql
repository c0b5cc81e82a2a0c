-- kind: keyed
-- key: id
-- order_by: id
-- description: countries the shop sells to, with their tax, as they are now
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.document, extracted.version) AS said,
    JSONExtract(said, 'code', 'Nullable(String)') AS code,
    JSONExtract(said, 'name', 'Nullable(String)') AS name,
    JSONExtract(said, 'tax', 'Nullable(Decimal(18, 4))') AS tax,
    JSONExtract(said, 'tax_name', 'Nullable(String)') AS tax_name
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'countries' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
