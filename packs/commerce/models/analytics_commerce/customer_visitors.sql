-- kind: view
-- description: which visitors of the site a customer is, by what they bought (GA4's transaction is the order's id) and by the user_id of events, when that is the customer's id. One person has a visitor's id for each browser
-- owner: acquisition
-- audit: unique(customer_id, user_pseudo_id)
SELECT
    customer_id,
    user_pseudo_id,
    uniqExactIf(assumeNotNull(order_id), isNotNull(order_id)) AS orders,
    toBool(max(by_user_id)) AS by_user_id,
    min(at) AS first_matched_at,
    max(at) AS last_matched_at,
    any(visits.sessions) AS sessions
FROM
(
    SELECT assumeNotNull(placed.customer_id) AS customer_id, bought.user_pseudo_id AS user_pseudo_id, toNullable(placed.order_id) AS order_id, 0 AS by_user_id, bought.event_at AS at
    FROM analytics_shopify.order_values AS placed
    INNER JOIN
    (
        SELECT assumeNotNull(transaction_id) AS transaction_id, user_pseudo_id, event_at
        FROM data_ga4.events
        WHERE event_name = 'purchase' AND transaction_id IS NOT NULL AND user_pseudo_id != ''
    ) AS bought ON bought.transaction_id = toString(placed.order_id)
    WHERE placed.customer_id IS NOT NULL
    UNION ALL
    SELECT known.id AS customer_id, seen.user_pseudo_id AS user_pseudo_id, CAST(NULL, 'Nullable(Int64)') AS order_id, 1 AS by_user_id, seen.event_at AS at
    FROM
    (
        SELECT assumeNotNull(toInt64OrNull(user_id)) AS customer_id, user_pseudo_id, event_at
        FROM data_ga4.events
        WHERE toInt64OrNull(user_id) IS NOT NULL AND user_pseudo_id != ''
    ) AS seen
    INNER JOIN data_shopify.customers AS known ON known.id = seen.customer_id
) AS matched
LEFT JOIN (SELECT user_pseudo_id, count() AS sessions FROM analytics_ga4.sessions GROUP BY user_pseudo_id) AS visits ON visits.user_pseudo_id = matched.user_pseudo_id
GROUP BY customer_id, user_pseudo_id
