-- kind: keyed
-- key: event_id
-- order_by: event_id
-- description: what happened to profiles: messages, visits, orders; each event once, however often it was extracted
-- owner: data
-- audit: not_null(datetime)
SELECT
    extracted.event_id AS event_id,
    argMax(extracted.metric_id, extracted.version) AS metric_id,
    argMax(extracted.profile_id, extracted.version) AS profile_id,
    argMax(tuple(extracted.datetime), extracted.version).1 AS datetime,
    argMax(tuple(extracted.value), extracted.version).1 AS value,
    argMax(extracted.value_currency, extracted.version) AS value_currency,
    argMax(extracted.message_id, extracted.version) AS message_id,
    argMax(extracted.flow_id, extracted.version) AS flow_id,
    argMax(extracted.attributed_message_id, extracted.version) AS attributed_message_id,
    argMax(extracted.attributed_flow_id, extracted.version) AS attributed_flow_id,
    argMax(extracted.campaign_name, extracted.version) AS campaign_name,
    argMax(extracted.subject, extracted.version) AS subject,
    argMax(extracted.utm_source, extracted.version) AS utm_source,
    argMax(extracted.utm_medium, extracted.version) AS utm_medium,
    argMax(extracted.utm_campaign, extracted.version) AS utm_campaign,
    argMax(extracted.product_name, extracted.version) AS product_name,
    argMax(extracted.device, extracted.version) AS device,
    argMax(extracted.page, extracted.version) AS page,
    argMax(extracted.is_bot, extracted.version) AS is_bot,
    argMax(extracted.is_machine_open, extracted.version) AS is_machine_open,
    argMax(extracted.order_id, extracted.version) AS order_id
FROM staging.klaviyo_events AS extracted
GROUP BY event_id
