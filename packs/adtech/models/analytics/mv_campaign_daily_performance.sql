-- kind: view
-- description: impressions, clicks and click-through rate by campaign and UTC day
SELECT
    traffic.event_date AS event_date,
    traffic.campaign_id AS campaign_id,
    ifNull(campaign.name, '') AS campaign_name,
    traffic.impressions AS impressions,
    traffic.clicks AS clicks,
    if(traffic.impressions = 0, 0, traffic.clicks / traffic.impressions) AS daily_ctr
FROM analytics.campaign_traffic_daily AS traffic
LEFT JOIN analytics.dim_campaign AS campaign ON campaign.campaign_id = traffic.campaign_id
