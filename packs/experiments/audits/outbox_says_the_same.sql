-- description: events that the table and the outbox tell differently
SELECT id, sum(side) AS surplus
FROM
(
    SELECT id, experiment_id, user_id, variant_id, event_type, timestamp, value, request_id, 1 AS side FROM experiments_analytics.events_from_outbox
    UNION ALL
    SELECT id, experiment_id, user_id, variant_id, event_type, toDateTime64(timestamp, 6, 'UTC'),
           toDecimal64(ifNull(JSONExtract(toString(properties), 'value', 'Nullable(Decimal(18, 2))'), 0), 2) AS value, request_id, -1 AS side
    FROM bronze.events
)
GROUP BY id, experiment_id, user_id, variant_id, event_type, timestamp, value, request_id
HAVING surplus != 0
