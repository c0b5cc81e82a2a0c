-- kind: view
-- description: the rows of table assignments as the outbox tells them
SELECT
    JSONExtract(body, 'id', 'Int64') AS id, JSONExtract(body, 'experiment_id', 'Int32') AS experiment_id,
    JSONExtractString(body, 'user_id') AS user_id, JSONExtract(body, 'variant_id', 'Int32') AS variant_id,
    JSONExtractString(body, 'variant_key') AS variant_key,
    parseDateTime64BestEffort(JSONExtractString(body, 'assigned_at'), 6, 'UTC') AS assigned_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(body, 'enrolled_at'), 6, 'UTC') AS enrolled_at,
    JSONExtractString(body, 'source') AS source,
    parseDateTime64BestEffort(JSONExtractString(body, 'created_at'), 6, 'UTC') AS created_at,
    parseDateTime64BestEffort(JSONExtractString(body, 'updated_at'), 6, 'UTC') AS updated_at
FROM
(
    SELECT argMax(toString(payload), id) AS body
    FROM bronze.outbox_events WHERE aggregate_type = 'assignment' GROUP BY aggregate_id
)
