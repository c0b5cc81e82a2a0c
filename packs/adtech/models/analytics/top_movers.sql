-- kind: view
-- description: click-through rate of the last 7 UTC days against the 7 days before, by campaign
-- audit: unique(campaign_id)
SELECT
    campaign.campaign_id AS campaign_id,
    campaign.name AS campaign_name,
    weeks.impressions AS impressions,
    weeks.impressions_before AS impressions_before,
    weeks.ctr AS ctr,
    weeks.ctr_before AS ctr_before,
    weeks.ctr - weeks.ctr_before AS ctr_change
FROM
(
    SELECT
        campaign_id,
        impressions,
        impressions_before,
        if(impressions = 0, 0, clicks / impressions) AS ctr,
        if(impressions_before = 0, 0, clicks_before / impressions_before) AS ctr_before
    FROM
    (
        SELECT
            campaign_id,
            sumIf(daily.impressions, recent) AS impressions,
            sumIf(daily.clicks, recent) AS clicks,
            sumIf(daily.impressions, NOT recent) AS impressions_before,
            sumIf(daily.clicks, NOT recent) AS clicks_before
        FROM
        (
            SELECT campaign_id, impressions, clicks, event_date > toDate32(now('UTC')) - 7 AS recent
            FROM analytics.campaign_traffic_daily
            WHERE event_date > toDate32(now('UTC')) - 14 AND event_date <= toDate32(now('UTC'))
        ) AS daily
        GROUP BY campaign_id
    )
) AS weeks
INNER JOIN analytics.dim_campaign AS campaign ON campaign.campaign_id = weeks.campaign_id
