-- kind: view
-- description: each conversion and its value in equal parts to the distinct sources on its way: the Shapley value of the game in which a set of sources is worth the conversions whose sources all lie in it
SELECT source, sum(1 / parts) AS conversions, sum(toFloat64(value) / parts) AS value
FROM (SELECT arrayDistinct(sources) AS distinct_sources, length(distinct_sources) AS parts, value FROM experiments_analytics.attribution_paths WHERE converted = 1)
ARRAY JOIN distinct_sources AS source
GROUP BY source
