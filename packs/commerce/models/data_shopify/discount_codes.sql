-- kind: keyed
-- key: id
-- order_by: id
-- description: codes customers can give, with their rule, as they are now; what they were used for is in order_discount
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.document, extracted.version) AS said,
    JSONExtract(said, 'price_rule_id', 'Nullable(Int64)') AS price_rule_id,
    JSONExtract(said, 'code', 'Nullable(String)') AS code,
    JSONExtract(said, 'usage_count', 'Nullable(Int64)') AS usage_count,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'created_at'), 6, 'UTC') AS created_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'updated_at'), 6, 'UTC') AS updated_at
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'discount_codes' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
