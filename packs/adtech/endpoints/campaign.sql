-- description: one campaign by day
-- param campaign_id Int32 required min=1 "Campaign"
SELECT event_date, campaign_id, campaign_name, impressions, clicks, daily_ctr
FROM analytics.mv_campaign_daily_performance
WHERE campaign_id = {campaign_id:Int32}
ORDER BY event_date
