-- kind: view
-- description: when people react: events and people by hour of the week (UTC) and metric
-- owner: email
-- audit: unique(weekday, hour, metric)
SELECT toDayOfWeek(datetime, 0, 'UTC') AS weekday, toHour(datetime, 'UTC') AS hour, metric, count() AS events, uniqExact(profile_id) AS profiles
FROM analytics_klaviyo.named_events
WHERE NOT is_bot AND NOT is_machine_open
GROUP BY weekday, hour, metric
