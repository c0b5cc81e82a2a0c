-- kind: view
-- description: events by UTC day and metric: how many, of how many people, worth how much by currency; first and last of the day
-- owner: email
-- audit: unique(date, metric, value_currency)
SELECT
    toDate32(datetime, 'UTC') AS date, metric, value_currency, count() AS events, uniqExact(profile_id) AS profiles, sum(ifNull(value, 0)) AS total_value,
    min(datetime) AS first_event_at, max(datetime) AS last_event_at
FROM analytics_klaviyo.named_events
GROUP BY date, metric, value_currency
