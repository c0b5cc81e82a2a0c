-- kind: keyed
-- key: id
-- order_by: id
-- description: what discounts are given for, as they are now
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.document, extracted.version) AS said,
    JSONExtract(said, 'title', 'Nullable(String)') AS title,
    JSONExtract(said, 'value_type', 'Nullable(String)') AS value_type,
    JSONExtract(said, 'value', 'Nullable(Decimal(18, 4))') AS value,
    JSONExtract(said, 'target_type', 'Nullable(String)') AS target_type,
    JSONExtract(said, 'target_selection', 'Nullable(String)') AS target_selection,
    JSONExtract(said, 'allocation_method', 'Nullable(String)') AS allocation_method,
    JSONExtract(said, 'customer_selection', 'Nullable(String)') AS customer_selection,
    JSONExtract(said, 'once_per_customer', 'Nullable(Bool)') AS once_per_customer,
    JSONExtract(said, 'usage_limit', 'Nullable(Int64)') AS usage_limit,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'starts_at'), 6, 'UTC') AS starts_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'ends_at'), 6, 'UTC') AS ends_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'created_at'), 6, 'UTC') AS created_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'updated_at'), 6, 'UTC') AS updated_at
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'price_rules' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
