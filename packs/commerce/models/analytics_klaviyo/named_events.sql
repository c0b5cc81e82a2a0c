-- kind: view
-- description: events with the name of their metric
-- owner: email
-- audit: unique(event_id)
SELECT
    happened.event_id AS event_id, happened.profile_id AS profile_id, happened.datetime AS datetime, metric.name AS metric, metric.integration AS integration,
    happened.value AS value, happened.value_currency AS value_currency, happened.message_id AS message_id, happened.flow_id AS flow_id, happened.attributed_message_id AS attributed_message_id,
    happened.attributed_flow_id AS attributed_flow_id, happened.utm_source AS utm_source, happened.utm_medium AS utm_medium, happened.utm_campaign AS utm_campaign,
    happened.is_bot AS is_bot, happened.is_machine_open AS is_machine_open, happened.order_id AS order_id
FROM data_klaviyo.events AS happened
LEFT JOIN data_klaviyo.metrics AS metric ON metric.metric_id = happened.metric_id
