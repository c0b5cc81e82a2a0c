-- kind: keyed
-- key: id
-- order_by: id
-- description: what is stocked, with its cost
SELECT
    assumeNotNull(landed.id) AS id,
    argMax(tuple(landed.sku), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS sku,
    toDecimal64OrNull(toString(argMax(tuple(landed.cost), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 4) AS cost,
    argMax(tuple(landed.currency_code), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS currency,
    argMax(ifNull(landed.tracked, true), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS tracked
FROM bronze.raw_shopify_inventory_items AS landed
WHERE landed.id IS NOT NULL
GROUP BY id
