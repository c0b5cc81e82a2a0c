-- kind: view
-- description: campaigns, budget and traffic by advertiser, zeros where there is nothing
-- audit: unique(advertiser_id)
SELECT
    advertiser.advertiser_id AS advertiser_id,
    advertiser.name AS advertiser_name,
    ifNull(portfolio.campaign_count, 0) AS campaign_count,
    ifNull(portfolio.total_budget, 0) AS total_budget,
    ifNull(portfolio.impressions, 0) AS impressions,
    ifNull(portfolio.clicks, 0) AS clicks,
    if(portfolio.impressions > 0, portfolio.clicks / portfolio.impressions, 0) AS overall_ctr
FROM analytics.dim_advertiser AS advertiser
LEFT JOIN
(
    SELECT
        advertiser_id,
        count() AS campaign_count,
        sum(traffic.budget) AS total_budget,
        sum(traffic.impressions) AS impressions,
        sum(traffic.clicks) AS clicks
    FROM analytics.campaign_traffic AS traffic
    GROUP BY advertiser_id
) AS portfolio ON portfolio.advertiser_id = advertiser.advertiser_id
