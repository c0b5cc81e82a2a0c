-- kind: keyed
-- key: experiment_id, user_id, request_id, variant_id, variant_key, event_type, timestamp, assignment_at, session_id
-- order_by: experiment_id, user_id, request_id
-- description: one row an event, however often it was sent; properties as columns; is_valid: not before the assignment
-- audit: not_null(user_id, event_type)
SELECT
    experiment_id, user_id, request_id, variant_id, variant_key, event_type, timestamp, assignment_at, session_id,
    min(e.id) AS id,
    argMin(toString(e.properties), e.id) AS properties,
    JSONExtractString(properties, 'page') AS page,
    JSONExtractString(properties, 'device') AS device,
    JSONExtractString(properties, 'browser') AS browser,
    JSONExtractString(properties, 'source') AS source,
    JSONExtractString(properties, 'campaign') AS campaign,
    toDecimal64(ifNull(JSONExtract(properties, 'value', 'Nullable(Decimal(18, 2))'), 0), 2) AS value,
    event_type = 'conversion' AS is_conversion,
    event_type = 'exposure' AS is_exposure,
    event_type = 'click' AS is_click,
    event_type = 'page_view' AS is_pageview,
    isNull(assignment_at) OR timestamp >= assignment_at AS is_valid
FROM bronze.events AS e
GROUP BY experiment_id, user_id, request_id, variant_id, variant_key, event_type, timestamp, assignment_at, session_id
