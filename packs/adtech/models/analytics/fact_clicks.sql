-- kind: incremental
-- description: one row per click, following updates and deletes
-- key: click_id
-- partition_by: toYYYYMM(event_date)
-- order_by: campaign_id, event_date
-- audit: not_null(campaign_id)
-- audit: relationships(campaign_id, analytics.dim_campaign, campaign_id)
SELECT
    id AS click_id,
    campaign_id,
    toDate32(created_at, 'UTC') AS event_date,
    created_at AS event_time,
    created_at
FROM bronze.clicks
