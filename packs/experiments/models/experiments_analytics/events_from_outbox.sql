-- kind: view
-- description: the events as the outbox tells them; an audit compares them with the table's
SELECT
    JSONExtract(body, 'id', 'Int64') AS id, JSONExtract(body, 'experiment_id', 'Int32') AS experiment_id,
    JSONExtractString(body, 'user_id') AS user_id, JSONExtract(body, 'variant_id', 'Int32') AS variant_id,
    JSONExtractString(body, 'event_type') AS event_type,
    parseDateTime64BestEffort(JSONExtractString(body, 'timestamp'), 6, 'UTC') AS timestamp,
    toDecimal64(ifNull(JSONExtract(body, 'properties', 'value', 'Nullable(Decimal(18, 2))'), 0), 2) AS value,
    JSONExtractString(body, 'request_id') AS request_id
FROM
(
    SELECT argMax(toString(payload), id) AS body, argMax(event_type, id) AS said
    FROM bronze.outbox_events WHERE aggregate_type = 'event' GROUP BY aggregate_id
)
WHERE said != 'EVENT_DELETED'
