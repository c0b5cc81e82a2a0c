-- kind: incremental
-- description: valid events by experiment, variant and hour
SELECT
    experiment_id, variant_id, toStartOfHour(occurred_at, 'UTC') AS hour,
    count() AS events, countIf(is_exposure) AS exposures, countIf(is_conversion) AS conversions, sum(value) AS value
FROM silver.events
WHERE is_valid
GROUP BY experiment_id, variant_id, hour
