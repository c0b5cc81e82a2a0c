-- kind: keyed
-- key: id
-- order_by: id
-- description: places that hold stock
-- owner: data
-- audit: unique(id)
SELECT
    assumeNotNull(landed.id) AS id,
    argMax(tuple(landed.name), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS name,
    argMax(tuple(landed.city), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS city,
    argMax(tuple(landed.country_code), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS country_code,
    argMax(ifNull(landed.active, true), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS active
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, name, city, country_code, active, updated_at, deleted_at
    FROM bronze.raw_shopify_locations
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, JSONExtract(document, 'id', 'Nullable(Int64)') AS id, JSONExtract(document, 'name', 'Nullable(String)') AS name, JSONExtract(document, 'city', 'Nullable(String)') AS city,
        JSONExtract(document, 'country_code', 'Nullable(String)') AS country_code, JSONExtract(document, 'active', 'Nullable(Bool)') AS active,
        if(topic = 'locations/delete', toNullable(extracted_at), parseDateTime64BestEffortOrNull(JSONExtractString(document, 'updated_at'), 6, 'UTC')) AS updated_at,
        if(topic = 'locations/delete', toNullable(extracted_at), NULL) AS deleted_at
    FROM staging.shopify_documents
    WHERE substring(topic, 1, position(topic, '/') - 1) = 'locations'
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY id
HAVING isNull(argMax(tuple(landed.deleted_at), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1)
