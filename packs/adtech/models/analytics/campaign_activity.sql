-- kind: view
-- description: first, last and best day of every campaign that had impressions
-- audit: unique(campaign_id)
SELECT
    campaign_id,
    min(event_date) AS first_day,
    max(event_date) AS last_day,
    count() AS active_days,
    argMax(event_date, (daily.impressions, event_date)) AS peak_day,
    max(daily.impressions) AS peak_impressions
FROM analytics.campaign_traffic_daily AS daily
WHERE daily.impressions > 0
GROUP BY campaign_id
