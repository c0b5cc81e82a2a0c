-- kind: view
-- description: what the application announced, a line each, as it came
SELECT id, toString(payload) AS line, created_at FROM bronze.outbox_events
