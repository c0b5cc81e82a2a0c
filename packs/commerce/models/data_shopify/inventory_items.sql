-- kind: keyed
-- key: id
-- order_by: id
-- description: what is stocked, with its cost
-- owner: data
-- audit: unique(id)
SELECT
    assumeNotNull(landed.id) AS id,
    argMax(tuple(landed.sku), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS sku,
    toDecimal64OrNull(toString(argMax(tuple(landed.cost), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 4) AS cost,
    argMax(tuple(landed.currency_code), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS currency,
    argMax(ifNull(landed.tracked, true), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS tracked
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, sku, cost, currency_code, tracked, updated_at, false AS is_gone
    FROM bronze.raw_shopify_inventory_items
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, JSONExtract(document, 'id', 'Nullable(Int64)') AS id, JSONExtract(document, 'sku', 'Nullable(String)') AS sku, JSONExtract(document, 'cost', 'Nullable(String)') AS cost,
        JSONExtract(document, 'currency_code', 'Nullable(String)') AS currency_code, JSONExtract(document, 'tracked', 'Nullable(Bool)') AS tracked,
        if(topic = 'inventory_items/delete', toNullable(extracted_at), parseDateTime64BestEffortOrNull(JSONExtractString(document, 'updated_at'), 6, 'UTC')) AS updated_at, toBool(topic = 'inventory_items/delete') AS is_gone
    FROM staging.shopify_documents
    WHERE substring(topic, 1, position(topic, '/') - 1) = 'inventory_items'
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY id
HAVING NOT argMax(landed.is_gone, (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id))
