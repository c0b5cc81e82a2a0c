-- kind: keyed
-- key: id
-- order_by: id
-- description: the shop itself, as it is now
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.document, extracted.version) AS said,
    JSONExtract(said, 'name', 'Nullable(String)') AS name,
    JSONExtract(said, 'domain', 'Nullable(String)') AS domain,
    JSONExtract(said, 'myshopify_domain', 'Nullable(String)') AS myshopify_domain,
    JSONExtract(said, 'email', 'Nullable(String)') AS email,
    JSONExtract(said, 'currency', 'Nullable(String)') AS currency,
    JSONExtract(said, 'country_code', 'Nullable(String)') AS country_code,
    JSONExtract(said, 'iana_timezone', 'Nullable(String)') AS iana_timezone,
    JSONExtract(said, 'plan_name', 'Nullable(String)') AS plan_name,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'created_at'), 6, 'UTC') AS created_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'updated_at'), 6, 'UTC') AS updated_at
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'shop' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
