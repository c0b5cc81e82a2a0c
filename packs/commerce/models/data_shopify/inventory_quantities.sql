-- kind: view
-- description: stock by state: available, on hand, committed, incoming, reserved and whatever else Shopify names, by item and place
-- owner: data
-- audit: unique(inventory_item_id, location_id, name)
SELECT
    stock.inventory_item_id AS inventory_item_id, stock.location_id AS location_id, held.name AS name, held.quantity AS quantity,
    coalesce(parseDateTime64BestEffortOrNull(coalesce(held.updated_at, held.updatedAt, ''), 6, 'UTC'), stock.updated_at) AS updated_at
FROM data_shopify.inventory_levels AS stock
ARRAY JOIN quantities AS held
