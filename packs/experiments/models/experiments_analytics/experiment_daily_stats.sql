-- kind: keyed
-- key: experiment_id, variant_id, day
-- order_by: experiment_id, variant_id, day
-- description: valid events by variant and day; users are counted in each day and never added up
SELECT
    experiment_id, variant_id, toDate32(timestamp, 'UTC') AS day,
    count() AS events, countIf(is_exposure) AS exposures, countIf(is_conversion) AS conversions, countIf(is_click) AS clicks,
    uniqExact(user_id) AS users, uniqExactIf(user_id, is_conversion) AS converted_users, sum(value) AS value
FROM experiments_analytics.events_processed
WHERE is_valid
GROUP BY experiment_id, variant_id, day
