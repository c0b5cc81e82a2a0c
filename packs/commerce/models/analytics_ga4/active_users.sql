-- kind: view
-- description: people active on a day (an event with engagement), in the 7 and in the 28 days up to it, counted from the events: never added up
-- owner: acquisition
-- audit: unique(date)
SELECT
    day.date AS date,
    uniqExactIf(active.user_pseudo_id, active.date = day.date) AS active_1d,
    uniqExactIf(active.user_pseudo_id, active.date > day.date - 7) AS active_7d,
    uniqExact(active.user_pseudo_id) AS active_28d,
    active_1d / active_28d AS stickiness
FROM (SELECT DISTINCT assumeNotNull(event_date) AS date FROM data_ga4.events WHERE event_date IS NOT NULL) AS day
CROSS JOIN
(
    SELECT DISTINCT assumeNotNull(event_date) AS date, user_pseudo_id
    FROM data_ga4.events
    WHERE event_date IS NOT NULL AND user_pseudo_id != '' AND (session_engaged OR engagement_time_ms > 0)
) AS active
WHERE active.date <= day.date AND active.date > day.date - 28
GROUP BY date
