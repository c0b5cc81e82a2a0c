-- kind: view
-- description: stock by item: what is there, what 30 days sold (up to the newest order), how many days it lasts at that pace
-- owner: shop
-- audit: unique(inventory_item_id)
SELECT
    item.id AS inventory_item_id, item.sku AS sku, item.cost AS cost, ifNull(stock.available, 0) AS available, ifNull(stock.places_out, 0) AS places_out_of_stock,
    ifNull(sold.units, 0) AS units_sold_30d,
    if(units_sold_30d <= 0, NULL, available / (units_sold_30d / 30)) AS days_of_cover,
    ifNull(item.cost * available, 0) AS value_at_cost
FROM data_shopify.inventory_items AS item
LEFT JOIN
(
    SELECT inventory_item_id, sum(ifNull(level.available, 0)) AS available, countIf(ifNull(level.available, 0) <= 0) AS places_out
    FROM data_shopify.inventory_levels AS level
    GROUP BY inventory_item_id
) AS stock ON stock.inventory_item_id = item.id
LEFT JOIN
(
    SELECT assumeNotNull(line.sku) AS sku, sum(line.quantity - line.refunded_quantity) AS units
    FROM data_shopify.order_line_items AS line
    WHERE NOT line.is_test AND line.sku IS NOT NULL AND line.created_at > (SELECT max(created_at) FROM data_shopify.orders) - INTERVAL 30 DAY
    GROUP BY sku
) AS sold ON sold.sku = ifNull(item.sku, '') AND sold.sku != ''
