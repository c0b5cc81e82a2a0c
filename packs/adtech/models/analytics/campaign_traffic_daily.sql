-- kind: view
-- description: impressions and clicks side by side, one row per campaign and UTC day with either
SELECT
    campaign_id,
    event_date,
    sum(daily.impressions) AS impressions,
    sum(daily.clicks) AS clicks
FROM
(
    SELECT campaign_id, event_date, impressions, toUInt64(0) AS clicks
    FROM analytics.campaign_impressions_daily
    UNION ALL
    SELECT campaign_id, event_date, toUInt64(0) AS impressions, clicks
    FROM analytics.campaign_clicks_daily
) AS daily
GROUP BY campaign_id, event_date
