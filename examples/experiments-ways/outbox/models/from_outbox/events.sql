-- kind: view
-- description: the rows of table events as the outbox tells them
SELECT
    JSONExtract(body, 'id', 'Int64') AS id, JSONExtract(body, 'experiment_id', 'Int32') AS experiment_id,
    JSONExtractString(body, 'user_id') AS user_id, JSONExtract(body, 'variant_id', 'Int32') AS variant_id,
    JSONExtractString(body, 'variant_key') AS variant_key, JSONExtractString(body, 'event_type') AS event_type,
    parseDateTime64BestEffort(JSONExtractString(body, 'timestamp'), 6, 'UTC') AS timestamp,
    parseDateTime64BestEffortOrNull(JSONExtractString(body, 'assignment_at'), 6, 'UTC') AS assignment_at,
    JSONExtractRaw(body, 'properties') AS properties,
    JSONExtractString(body, 'session_id') AS session_id, JSONExtractString(body, 'request_id') AS request_id
FROM
(
    SELECT argMax(toString(payload), id) AS body, argMax(event_type, id) AS said
    FROM bronze.outbox_events WHERE aggregate_type = 'event' GROUP BY aggregate_id
)
WHERE said != 'EVENT_DELETED'
