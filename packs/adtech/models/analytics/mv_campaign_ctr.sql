-- kind: view
-- description: click-through rate by campaign
-- audit: unique(campaign_id)
SELECT
    traffic.campaign_id AS campaign_id,
    traffic.campaign_name AS campaign_name,
    ifNull(advertiser.name, '') AS advertiser_name,
    traffic.impressions AS impressions,
    traffic.clicks AS clicks,
    if(traffic.impressions = 0, 0, traffic.clicks / traffic.impressions) AS ctr
FROM analytics.campaign_traffic AS traffic
LEFT JOIN analytics.dim_advertiser AS advertiser ON advertiser.advertiser_id = traffic.advertiser_id
