-- kind: view
-- description: campaigns by their messages' ids: who got, opened and clicked them, what it brought (revenue is NULL when orders were in several currencies: analytics_klaviyo.campaign_revenue has them apart). Opens by machines and clicks by robots are apart; rates are of delivered messages
-- owner: email
-- audit: unique(campaign_id)
SELECT
    campaign.campaign_id AS campaign_id,
    campaign.name AS campaign_name,
    campaign.status AS status,
    campaign.send_time AS send_time,
    sum(said.received) AS delivered,
    sum(said.bounced) AS bounced,
    delivered + bounced AS sent,
    sum(said.opens) AS opens,
    sum(said.openers) AS unique_opens,
    sum(said.machine_opens) AS machine_opens,
    sum(said.clicks) AS clicks,
    sum(said.clickers) AS unique_clicks,
    sum(said.robot_clicks) AS robot_clicks,
    sum(said.unsubscribes) AS unsubscribes,
    sum(said.complaints) AS spam_complaints,
    sum(said.conversions) AS conversions,
    if(sum(said.currencies) > 1, NULL, sum(said.revenue)) AS revenue,
    if(delivered = 0, 0, unique_opens / delivered) AS open_rate,
    if(delivered = 0, 0, unique_clicks / delivered) AS click_rate,
    if(unique_opens = 0, 0, unique_clicks / unique_opens) AS click_to_open_rate,
    if(delivered = 0, 0, conversions / delivered) AS conversion_rate,
    if(delivered = 0, 0, toFloat64(revenue) / delivered) AS revenue_per_recipient
FROM data_klaviyo.campaigns AS campaign
LEFT JOIN
(
    SELECT
        c.campaign_id AS campaign_id,
        uniqExactIf((e.message, e.profile_id), e.metric = 'Received Email') AS received,
        uniqExactIf((e.message, e.profile_id), e.metric = 'Bounced Email') AS bounced,
        countIf(e.metric = 'Opened Email' AND NOT e.is_machine_open) AS opens,
        uniqExactIf((e.message, e.profile_id), e.metric = 'Opened Email' AND NOT e.is_machine_open) AS openers,
        countIf(e.metric = 'Opened Email' AND e.is_machine_open) AS machine_opens,
        countIf(e.metric = 'Clicked Email' AND NOT e.is_bot) AS clicks,
        uniqExactIf((e.message, e.profile_id), e.metric = 'Clicked Email' AND NOT e.is_bot) AS clickers,
        countIf(e.metric = 'Clicked Email' AND e.is_bot) AS robot_clicks,
        uniqExactIf(e.profile_id, e.metric = 'Unsubscribed') AS unsubscribes,
        uniqExactIf(e.profile_id, e.metric = 'Marked Email as Spam') AS complaints,
        countIf(e.metric = 'Placed Order') AS conversions,
        sumIf(ifNull(e.value, 0), e.metric = 'Placed Order') AS revenue,
        uniqExactIf(e.value_currency, e.metric = 'Placed Order') AS currencies
    FROM (SELECT campaign_id, arrayJoin(arrayDistinct(arrayConcat([campaign_id], message_ids))) AS message FROM data_klaviyo.campaigns) AS c
    INNER JOIN
    (
        SELECT metric, profile_id, value, value_currency, is_bot, is_machine_open, if(metric = 'Placed Order', attributed_message_id, message_id) AS message
        FROM analytics_klaviyo.named_events
        WHERE message != ''
    ) AS e ON e.message = c.message
    GROUP BY campaign_id
) AS said ON said.campaign_id = campaign.campaign_id
GROUP BY campaign_id, campaign_name, status, send_time
