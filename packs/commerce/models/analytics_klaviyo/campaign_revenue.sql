-- kind: view
-- description: orders that Klaviyo attributes to a campaign's messages, by currency
-- owner: email
-- audit: unique(campaign_id, currency)
SELECT c.campaign_id AS campaign_id, e.value_currency AS currency, count() AS conversions, sum(ifNull(e.value, 0)) AS revenue
FROM (SELECT campaign_id, arrayJoin(arrayDistinct(arrayConcat([campaign_id], message_ids))) AS message FROM data_klaviyo.campaigns) AS c
INNER JOIN analytics_klaviyo.named_events AS e ON e.attributed_message_id = c.message
WHERE e.metric = 'Placed Order' AND e.attributed_message_id != ''
GROUP BY campaign_id, currency
