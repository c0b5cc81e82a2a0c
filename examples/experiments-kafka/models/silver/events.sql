-- kind: view
-- description: events with their properties taken apart; is_valid: not before the user was assigned
-- audit: not_null(user_id, occurred_at)
SELECT
    id, user_id, experiment_id, variant_id, event_type, occurred_at, assigned_at,
    JSONExtractString(properties, 'page') AS page,
    JSONExtractString(properties, 'device') AS device,
    toDecimal64OrZero(JSONExtractRaw(properties, 'value'), 4) AS value,
    event_type = 'conversion' AS is_conversion,
    event_type = 'exposure' AS is_exposure,
    assigned_at IS NULL OR occurred_at >= assigned_at AS is_valid
FROM bronze.events
