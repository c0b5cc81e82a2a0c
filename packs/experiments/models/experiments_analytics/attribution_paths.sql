-- kind: view
-- description: the ways to a conversion: for each, the sources of the user's touches up to it in order; for each user without one, all of them
SELECT c.id AS conversion, 1 AS converted, any(c.value) AS value, arrayMap(touch -> touch.3, arraySort(groupArray((t.timestamp, t.id, t.source)))) AS sources
FROM experiments_analytics.events_processed AS c
INNER JOIN experiments_analytics.events_processed AS t ON t.user_id = c.user_id
WHERE c.is_conversion AND t.source != '' AND t.timestamp <= c.timestamp
GROUP BY conversion
UNION ALL
SELECT min(id) AS conversion, 0 AS converted, toDecimal64(0, 2) AS value,
    arrayMap(touch -> touch.3, arraySort(groupArrayIf((timestamp, id, source), source != ''))) AS sources
FROM experiments_analytics.events_processed
GROUP BY user_id
HAVING countIf(is_conversion) = 0 AND notEmpty(sources)
