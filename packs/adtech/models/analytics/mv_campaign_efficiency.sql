-- kind: view
-- description: cost per click, where cost = bid x impressions; NULL without clicks
-- audit: unique(campaign_id)
SELECT
    campaign_id,
    campaign_name,
    bid AS bid_amount,
    impressions,
    clicks,
    if(clicks = 0, NULL, toFloat64(toDecimal128(bid, 2) * impressions) / clicks) AS cost_per_click
FROM analytics.campaign_traffic
