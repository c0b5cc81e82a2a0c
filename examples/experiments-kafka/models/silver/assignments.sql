-- kind: view
-- description: who got which variant, from the outbox
SELECT
    id,
    JSONExtractString(assumeNotNull(payload), 'user_id') AS user_id,
    JSONExtract(assumeNotNull(payload), 'experiment_id', 'Int32') AS experiment_id,
    JSONExtract(assumeNotNull(payload), 'variant_id', 'Int32') AS variant_id,
    parseDateTime64BestEffortOrNull(JSONExtractString(assumeNotNull(payload), 'assigned_at'), 6, 'UTC') AS assigned_at
FROM bronze.outbox_events
WHERE aggregate_type = 'assignment' AND event_type = 'assigned'
