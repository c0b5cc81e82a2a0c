-- kind: view
-- description: customers by the UTC month of their first order: how many ordered again n months later, and for how much; complete: that month is over as of the newest order
-- owner: shop
-- audit: unique(cohort, currency, months_later)
SELECT
    cohort,
    currency,
    months_later,
    uniqExact(customer_id) AS customers,
    count() AS orders,
    sum(entry.net) AS net_sales,
    toBool(addMonths(cohort, toInt32(months_later) + 1) <= (SELECT toDate32(max(created_at), 'UTC') FROM analytics_shopify.order_values)) AS complete
FROM
(
    SELECT
        placed.customer_id AS customer_id, placed.currency AS currency, placed.net AS net,
        toStartOfMonth(toDate32(min(placed.created_at) OVER (PARTITION BY placed.customer_id, placed.currency), 'UTC')) AS cohort,
        dateDiff('month', cohort, toStartOfMonth(toDate32(placed.created_at, 'UTC'))) AS months_later
    FROM analytics_shopify.order_values AS placed
    WHERE placed.customer_id IS NOT NULL
) AS entry
GROUP BY cohort, currency, months_later
