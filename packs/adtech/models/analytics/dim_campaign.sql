-- kind: view
-- description: campaigns as they are now
-- audit: unique(campaign_id)
-- audit: relationships(advertiser_id, analytics.dim_advertiser, advertiser_id)
SELECT id AS campaign_id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at
FROM bronze.campaign
