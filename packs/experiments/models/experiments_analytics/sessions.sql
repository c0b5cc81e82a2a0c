-- kind: view
-- description: visits: a user's events with no pause of more than 30 minutes between them; a late event joins or splits them
SELECT
    user_id, min(timestamp) AS started_at, max(timestamp) AS ended_at, count() AS events,
    countIf(is_pageview) AS page_views, countIf(is_conversion) AS conversions, sum(value) AS value
FROM
(
    SELECT
        user_id, timestamp, is_pageview, is_conversion, value,
        sum(toUInt32(pause > 1800)) OVER (PARTITION BY user_id ORDER BY timestamp, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS visit
    FROM
    (
        SELECT user_id, timestamp, id, is_pageview, is_conversion, value,
            dateDiff('second', lagInFrame(timestamp, 1, timestamp) OVER (PARTITION BY user_id ORDER BY timestamp, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), timestamp) AS pause
        FROM experiments_analytics.events_processed
    )
)
GROUP BY user_id, visit
