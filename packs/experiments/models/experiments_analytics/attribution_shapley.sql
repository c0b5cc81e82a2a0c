-- kind: view
-- description: each conversion and its value in equal parts to the distinct sources on its way: the Shapley value of the game in which a set of sources is worth the conversions whose sources all lie in it
WITH sumMap([parts], [toUInt64(1)]) AS times, sumMap([parts], [value]) AS worth
SELECT
    source,
    -- Conversions are counted and values added exactly, and divided last: the same rows give the same digits.
    arraySum((count, parts) -> count / parts, times.2, times.1) AS conversions,
    arraySum((total, parts) -> toFloat64(total) / parts, worth.2, worth.1) AS value
FROM (SELECT arrayDistinct(sources) AS distinct_sources, length(distinct_sources) AS parts, value FROM experiments_analytics.attribution_paths WHERE converted = 1)
ARRAY JOIN distinct_sources AS source
GROUP BY source
