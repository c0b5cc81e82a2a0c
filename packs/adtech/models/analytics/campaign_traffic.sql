-- kind: view
-- description: impressions and clicks of every campaign, zeros where there is no traffic
-- audit: unique(campaign_id)
SELECT
    campaign.campaign_id AS campaign_id,
    campaign.name AS campaign_name,
    campaign.advertiser_id AS advertiser_id,
    campaign.bid AS bid,
    campaign.budget AS budget,
    campaign.start_date AS start_date,
    campaign.end_date AS end_date,
    ifNull(traffic.impressions, 0) AS impressions,
    ifNull(traffic.clicks, 0) AS clicks
FROM analytics.dim_campaign AS campaign
LEFT JOIN
(
    SELECT campaign_id, sum(daily.impressions) AS impressions, sum(daily.clicks) AS clicks
    FROM analytics.campaign_traffic_daily AS daily
    GROUP BY campaign_id
) AS traffic ON traffic.campaign_id = campaign.campaign_id
