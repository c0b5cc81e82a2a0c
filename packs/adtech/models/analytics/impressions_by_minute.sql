-- kind: incremental
-- description: impressions of all campaigns by UTC minute
SELECT toStartOfMinute(created_at, 'UTC') AS minute, count() AS impressions
FROM bronze.impressions
GROUP BY minute
