-- kind: incremental
-- description: clicks of all campaigns by UTC minute
SELECT toStartOfMinute(created_at, 'UTC') AS minute, count() AS clicks
FROM bronze.clicks
GROUP BY minute
