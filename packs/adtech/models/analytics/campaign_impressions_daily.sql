-- kind: incremental
-- description: impressions by campaign and UTC day
-- audit: not_null(campaign_id)
SELECT campaign_id, toDate32(created_at, 'UTC') AS event_date, count() AS impressions
FROM bronze.impressions
GROUP BY campaign_id, event_date
