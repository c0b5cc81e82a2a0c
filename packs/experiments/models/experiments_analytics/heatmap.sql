-- kind: view
-- description: events and users by hour of the week, page and device
SELECT
    experiment_id, toDayOfWeek(timestamp, 0, 'UTC') AS weekday, toHour(timestamp, 'UTC') AS hour, page, device,
    count() AS events, uniqExact(user_id) AS users
FROM experiments_analytics.events_processed
GROUP BY experiment_id, weekday, hour, page, device
