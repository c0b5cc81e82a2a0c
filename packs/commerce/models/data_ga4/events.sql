-- kind: keyed
-- key: event_key
-- order_by: event_key
-- description: what people did on the site, each event once, however often its day was exported
-- owner: data
-- audit: not_null(event_date)
SELECT
    extracted.event_key AS event_key,
    argMax(tuple(extracted.event_date), extracted.version).1 AS event_date,
    argMax(extracted.event_at, extracted.version) AS event_at,
    argMax(extracted.event_name, extracted.version) AS event_name,
    argMax(extracted.user_pseudo_id, extracted.version) AS user_pseudo_id,
    argMax(extracted.user_id, extracted.version) AS user_id,
    argMax(extracted.stream_id, extracted.version) AS stream_id,
    argMax(tuple(extracted.ga_session_id), extracted.version).1 AS ga_session_id,
    argMax(extracted.session_engaged, extracted.version) AS session_engaged,
    argMax(extracted.engagement_time_ms, extracted.version) AS engagement_time_ms,
    argMax(extracted.page_location, extracted.version) AS page_location,
    argMax(extracted.source, extracted.version) AS source,
    argMax(extracted.medium, extracted.version) AS medium,
    argMax(extracted.campaign, extracted.version) AS campaign,
    argMax(extracted.has_gclid, extracted.version) AS has_gclid,
    argMax(extracted.device_category, extracted.version) AS device_category,
    argMax(extracted.operating_system, extracted.version) AS operating_system,
    argMax(extracted.browser, extracted.version) AS browser,
    argMax(extracted.country, extracted.version) AS country,
    argMax(extracted.city, extracted.version) AS city,
    argMax(tuple(extracted.transaction_id), extracted.version).1 AS transaction_id,
    argMax(tuple(extracted.purchase_revenue), extracted.version).1 AS purchase_revenue,
    argMax(extracted.currency, extracted.version) AS currency,
    argMax(extracted.params, extracted.version) AS params
FROM staging.ga4_events AS extracted
GROUP BY event_key
