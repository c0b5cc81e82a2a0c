-- kind: view
-- description: impressions, clicks and click-through rate by UTC day
-- audit: unique(event_date)
SELECT
    event_date,
    impressions,
    clicks,
    if(impressions = 0, 0, clicks / impressions) AS daily_ctr
FROM
(
    SELECT event_date, sum(traffic.impressions) AS impressions, sum(traffic.clicks) AS clicks
    FROM analytics.campaign_traffic_daily AS traffic
    GROUP BY event_date
)
