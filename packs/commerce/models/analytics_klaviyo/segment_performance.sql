-- kind: view
-- description: subscribers by how lately they reacted: Active within 30 days before the newest event, Engaged within 90, Inactive later or never; and who did not subscribe
-- owner: email
-- audit: unique(segment)
SELECT
    multiIf(NOT person.accepts_marketing, 'Non-Subscribers', reaction.at > newest.at - INTERVAL 30 DAY, 'Active Subscribers',
            reaction.at > newest.at - INTERVAL 90 DAY, 'Engaged Subscribers', 'Inactive Subscribers') AS segment,
    count() AS profiles,
    countIf(bought.orders > 0) AS buyers,
    sum(ifNull(bought.orders, 0)) AS orders
FROM data_klaviyo.profiles AS person
LEFT JOIN
(
    SELECT profile_id, toNullable(max(datetime)) AS at
    FROM analytics_klaviyo.named_events
    WHERE metric IN ('Opened Email', 'Clicked Email', 'Active on Site', 'Viewed Product', 'Checkout Started', 'Placed Order') AND NOT is_bot AND NOT is_machine_open
    GROUP BY profile_id
) AS reaction ON reaction.profile_id = person.profile_id
LEFT JOIN
(
    SELECT profile_id, count() AS orders
    FROM analytics_klaviyo.named_events
    WHERE metric = 'Placed Order'
    GROUP BY profile_id
) AS bought ON bought.profile_id = person.profile_id
CROSS JOIN (SELECT max(datetime) AS at FROM data_klaviyo.events) AS newest
GROUP BY segment
