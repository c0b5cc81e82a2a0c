-- kind: incremental
-- key: raw_id
-- order_by: kind, id, raw_id
-- description: every version of the objects that come as documents only: transactions, price rules, discount codes, countries, the shop itself
SELECT
    landed.raw_id AS raw_id,
    landed.kind AS kind,
    assumeNotNull(landed.id) AS id,
    landed.shop AS shop,
    (coalesce(landed.updated_at, landed.created_at, toDateTime64(0, 6, 'UTC')), landed.extracted_at, landed.raw_id) AS version,
    landed.is_deleted AS is_deleted,
    landed.document AS document
FROM
(
    SELECT
        raw_id, extracted_at, shop, document, substring(topic, 1, position(topic, '/') - 1) AS kind, toBool(endsWith(topic, '/delete')) AS is_deleted,
        JSONExtract(document, 'id', 'Nullable(Int64)') AS id,
        if(endsWith(topic, '/delete'), toNullable(extracted_at), parseDateTime64BestEffortOrNull(JSONExtractString(document, 'updated_at'), 6, 'UTC')) AS updated_at,
        parseDateTime64BestEffortOrNull(JSONExtractString(document, 'created_at'), 6, 'UTC') AS created_at
    FROM staging.shopify_documents
    WHERE substring(topic, 1, position(topic, '/') - 1) IN ('order_transactions', 'price_rules', 'discount_codes', 'countries') OR topic = 'shop/update'
) AS landed
WHERE landed.id IS NOT NULL
