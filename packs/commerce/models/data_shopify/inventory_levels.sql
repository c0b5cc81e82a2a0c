-- kind: keyed
-- key: inventory_item_id, location_id
-- order_by: inventory_item_id, location_id
-- description: how much of an item is available at a place now; quantities has the other states where Shopify says them
-- owner: data
-- audit: unique(inventory_item_id, location_id), not_null(inventory_item_id, location_id)
SELECT
    assumeNotNull(landed.inventory_item_id) AS inventory_item_id,
    assumeNotNull(landed.location_id) AS location_id,
    argMax(tuple(landed.available), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS available,
    argMax(tuple(landed.updated_at), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS updated_at,
    argMax(ifNull(landed.quantities, ''), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS said,
    JSONExtract(said, 'Array(Tuple(name String, quantity Nullable(Int64), updated_at Nullable(String), updatedAt Nullable(String)))') AS quantities
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, inventory_item_id, location_id, available, quantities, updated_at, false AS is_gone
    FROM bronze.raw_shopify_inventory_levels
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, JSONExtract(document, 'inventory_item_id', 'Nullable(Int64)') AS inventory_item_id, JSONExtract(document, 'location_id', 'Nullable(Int64)') AS location_id,
        JSONExtract(document, 'available', 'Nullable(Int64)') AS available, toNullable(JSONExtractRaw(document, 'quantities')) AS quantities,
        if(topic = 'inventory_levels/disconnect', toNullable(extracted_at), parseDateTime64BestEffortOrNull(JSONExtractString(document, 'updated_at'), 6, 'UTC')) AS updated_at, toBool(topic = 'inventory_levels/disconnect') AS is_gone
    FROM staging.shopify_documents
    WHERE substring(topic, 1, position(topic, '/') - 1) = 'inventory_levels'
) AS landed
WHERE landed.inventory_item_id IS NOT NULL AND landed.location_id IS NOT NULL
GROUP BY inventory_item_id, location_id
HAVING NOT argMax(landed.is_gone, (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id))
