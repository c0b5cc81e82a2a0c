-- kind: keyed
-- key: experiment_id, variant_id, user_id
-- order_by: experiment_id, variant_id, user_id
-- description: one row an experiment, variant and user; late and repeated events are where they belong
SELECT
    experiment_id, variant_id, user_id,
    count() AS events, countIf(is_exposure) AS exposures, countIf(is_click) AS clicks, countIf(is_conversion) AS conversions,
    minIf(timestamp, is_exposure) AS first_exposure_at, minIf(timestamp, is_conversion) AS first_conversion_at,
    min(timestamp) AS first_event_at, max(timestamp) AS last_event_at,
    sum(value) AS value, countIf(is_conversion) > 0 AS has_converted, uniqExact(session_id) AS sessions
FROM experiments_analytics.events_processed
WHERE is_valid
GROUP BY experiment_id, variant_id, user_id
