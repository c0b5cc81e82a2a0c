-- kind: view
-- description: customers by UTC month and what they were in it: new (first order), active (ordered, and the month before too), returned (ordered after a pause), at risk (no order for 1 or 2 months), lost (3 and more). Up to the month of the newest order
-- owner: shop
-- audit: unique(month, stage)
SELECT month, stage, count() AS customers
FROM
(
    SELECT
        customer_id, arrayJoin(arrayEnumerate(calendar)) AS place, calendar[place] AS month,
        arrayMax(arrayFilter(one -> one <= month, months)) AS last,
        arrayMax(arrayFilter(one -> one < month, months)) AS before,
        multiIf(month = months[1], 'new',
                last = month AND dateDiff('month', before, month) = 1, 'active',
                last = month, 'returned',
                dateDiff('month', last, month) < 3, 'at risk', 'lost') AS stage
    FROM
    (
        SELECT
            bought.customer_id AS customer_id, arraySort(groupUniqArray(toStartOfMonth(toDate32(bought.created_at, 'UTC')))) AS months,
            arrayMap(n -> addMonths(months[1], n), range(toUInt32(dateDiff('month', months[1], any(newest.month)) + 1))) AS calendar
        FROM (SELECT assumeNotNull(placed.customer_id) AS customer_id, placed.created_at AS created_at FROM analytics_shopify.order_values AS placed WHERE placed.customer_id IS NOT NULL) AS bought
        CROSS JOIN (SELECT toStartOfMonth(toDate32(max(created_at), 'UTC')) AS month FROM analytics_shopify.order_values WHERE customer_id IS NOT NULL) AS newest
        GROUP BY customer_id
    )
)
GROUP BY month, stage
