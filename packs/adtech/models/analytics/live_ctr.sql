-- kind: view
-- description: impressions, clicks and click-through rate of all campaigns by UTC minute
-- audit: unique(minute)
SELECT
    minute,
    impressions,
    clicks,
    if(impressions = 0, 0, clicks / impressions) AS ctr
FROM
(
    SELECT minute, sum(traffic.impressions) AS impressions, sum(traffic.clicks) AS clicks
    FROM
    (
        SELECT minute, impressions, toUInt64(0) AS clicks FROM analytics.impressions_by_minute
        UNION ALL
        SELECT minute, toUInt64(0) AS impressions, clicks FROM analytics.clicks_by_minute
    ) AS traffic
    GROUP BY minute
)
