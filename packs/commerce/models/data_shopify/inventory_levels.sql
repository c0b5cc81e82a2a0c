-- kind: keyed
-- key: inventory_item_id, location_id
-- order_by: inventory_item_id, location_id
-- description: how much of an item is available at a place now
SELECT
    assumeNotNull(landed.inventory_item_id) AS inventory_item_id,
    assumeNotNull(landed.location_id) AS location_id,
    argMax(tuple(landed.available), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS available,
    argMax(tuple(landed.updated_at), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS updated_at
FROM bronze.raw_shopify_inventory_levels AS landed
WHERE landed.inventory_item_id IS NOT NULL AND landed.location_id IS NOT NULL
GROUP BY inventory_item_id, location_id
