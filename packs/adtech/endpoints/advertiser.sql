-- description: the campaigns of one advertiser
-- param advertiser_id Int32 required min=1 "Advertiser"
SELECT campaign_id, campaign_name, impressions, clicks, budget
FROM analytics.campaign_traffic
WHERE advertiser_id = {advertiser_id:Int32}
ORDER BY impressions DESC, campaign_id
