-- kind: incremental
-- order_by: minute, event
-- ttl: minute + INTERVAL 90 DAY
-- description: what people do, by minute and event; an event that was sent twice counts once
SELECT toStartOfMinute(timestamp) AS minute, event, count() AS events, uniqExact(anonymous_id) AS browsers
FROM bronze.app_events
WHERE event != ''
GROUP BY minute, event
