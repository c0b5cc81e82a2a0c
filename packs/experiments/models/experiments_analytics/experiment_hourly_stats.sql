-- kind: keyed
-- key: experiment_id, variant_id, hour
-- order_by: experiment_id, variant_id, hour
-- description: valid events by variant and hour; users are counted in each hour and never added up
SELECT
    experiment_id, variant_id, toStartOfHour(timestamp, 'UTC') AS hour,
    count() AS events, countIf(is_exposure) AS exposures, countIf(is_conversion) AS conversions, countIf(is_click) AS clicks,
    uniqExact(user_id) AS users, uniqExactIf(user_id, is_conversion) AS converted_users, sum(value) AS value
FROM experiments_analytics.events_processed
WHERE is_valid
GROUP BY experiment_id, variant_id, hour
