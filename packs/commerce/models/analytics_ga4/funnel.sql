-- kind: view
-- description: how far visits came, by UTC day and device: each step at or after the one before
-- owner: acquisition
-- audit: unique(date, device_category)
SELECT
    date, device_category, count() AS sessions,
    countIf(isNotNull(viewed_item_at)) AS viewed_item,
    countIf(isNotNull(added_to_cart_at)) AS added_to_cart,
    countIf(isNotNull(began_checkout_at)) AS began_checkout,
    countIf(isNotNull(purchased_at)) AS purchased
FROM analytics_ga4.sessions
GROUP BY date, device_category
