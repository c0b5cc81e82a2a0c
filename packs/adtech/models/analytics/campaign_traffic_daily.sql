-- kind: incremental
-- description: impressions and clicks side by side, one row per campaign and UTC day with either
-- audit: not_null(campaign_id)
SELECT campaign_id, event_date, sum(event.impressions) AS impressions, sum(event.clicks) AS clicks
FROM
(
    SELECT campaign_id, toDate32(created_at, 'UTC') AS event_date, toUInt64(1) AS impressions, toUInt64(0) AS clicks
    FROM bronze.impressions
    UNION ALL
    SELECT campaign_id, toDate32(created_at, 'UTC') AS event_date, toUInt64(0) AS impressions, toUInt64(1) AS clicks
    FROM bronze.clicks
) AS event
GROUP BY campaign_id, event_date
