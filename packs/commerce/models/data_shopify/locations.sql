-- kind: keyed
-- key: id
-- order_by: id
-- description: places that hold stock
SELECT
    assumeNotNull(landed.id) AS id,
    argMax(tuple(landed.name), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS name,
    argMax(tuple(landed.city), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS city,
    argMax(tuple(landed.country_code), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS country_code,
    argMax(ifNull(landed.active, true), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS active
FROM bronze.raw_shopify_locations AS landed
WHERE landed.id IS NOT NULL
GROUP BY id
HAVING isNull(argMax(tuple(landed.deleted_at), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1)
