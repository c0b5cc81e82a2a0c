-- kind: view
-- description: the three systems side by side, by UTC day, channel and currency: GA4's visits and purchases (by the day of the visit), the shop's orders and net sales that GA4 saw (joined by the order's id, by the day of the order), letters of Klaviyo. Orders that GA4 did not see are channel '(not tracked)'
-- owner: acquisition
-- audit: unique(date, channel, currency)
SELECT
    date,
    channel,
    currency,
    sum(part.sessions) AS sessions,
    sum(part.ga4_purchases) AS ga4_purchases,
    sum(part.ga4_revenue) AS ga4_revenue,
    sum(part.orders) AS orders,
    sum(part.net_sales) AS net_sales,
    sum(part.emails_delivered) AS emails_delivered,
    sum(part.emails_clicked) AS emails_clicked
FROM
(
    SELECT
        date, channel, currency, sessions, purchases AS ga4_purchases, toDecimal128(revenue, 4) AS ga4_revenue, toUInt64(0) AS orders, toDecimal128(0, 4) AS net_sales,
        toUInt64(0) AS emails_delivered, toUInt64(0) AS emails_clicked
    FROM analytics_ga4.channel_groups
    UNION ALL
    SELECT
        toDate32(placed.created_at, 'UTC') AS date, if(seen.channel = '', '(not tracked)', seen.channel) AS channel, placed.currency AS currency,
        toUInt64(0) AS sessions, toUInt64(0) AS ga4_purchases, toDecimal128(0, 4) AS ga4_revenue, toUInt64(1) AS orders, toDecimal128(placed.net, 4) AS net_sales,
        toUInt64(0) AS emails_delivered, toUInt64(0) AS emails_clicked
    FROM analytics_shopify.order_values AS placed
    LEFT JOIN
    (
        SELECT hit.transaction_id AS transaction_id, argMin(visit.channel, (hit.event_at, hit.event_key)) AS channel
        FROM (SELECT assumeNotNull(one.transaction_id) AS transaction_id, one.user_pseudo_id AS user_pseudo_id, ifNull(one.ga_session_id, 0) AS ga_session_id,
                     one.event_at AS event_at, one.event_key AS event_key
              FROM data_ga4.events AS one WHERE one.event_name = 'purchase' AND one.transaction_id IS NOT NULL) AS hit
        INNER JOIN analytics_ga4.sessions AS visit ON visit.user_pseudo_id = hit.user_pseudo_id AND visit.ga_session_id = hit.ga_session_id
        GROUP BY transaction_id
    ) AS seen ON seen.transaction_id = toString(placed.order_id)
    UNION ALL
    SELECT
        toDate32(datetime, 'UTC') AS date, 'Email' AS channel, '' AS currency, toUInt64(0) AS sessions, toUInt64(0) AS ga4_purchases, toDecimal128(0, 4) AS ga4_revenue,
        toUInt64(0) AS orders, toDecimal128(0, 4) AS net_sales, toUInt64(metric = 'Received Email') AS emails_delivered, toUInt64(metric = 'Clicked Email') AS emails_clicked
    FROM analytics_klaviyo.named_events
    WHERE metric IN ('Received Email', 'Clicked Email') AND NOT is_bot
) AS part
GROUP BY date, channel, currency
