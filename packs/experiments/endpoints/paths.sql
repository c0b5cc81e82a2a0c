-- description: the ways that visits take: their first pages in order, the same page twice in a row once. A visit ends where the next event is more than the pause away
-- param experiment_id Int32 required "Experiment"
-- param variant_key String default='' "Only this variant; empty: all"
-- param length UInt8 default=5 min=1 max=20 "So many pages of each visit"
-- param pause_s UInt32 default=1800 min=1 "Pause that ends a visit"
-- param top UInt16 default=20 min=1 max=1000 "So many ways"
SELECT arrayStringConcat(way, ' > ') AS path, length(way) AS pages, count() AS visits, uniqExact(user_id) AS users
FROM
(
    SELECT
        user_id, arraySort(groupArray((timestamp, id, page))) AS rows,
        arraySplit((row, place) -> place > 1 AND dateDiff('microsecond', rows[place - 1].1, row.1) > {pause_s:UInt32} * 1000000, rows, arrayEnumerate(rows)) AS visits,
        arrayMap(visit -> arraySlice(arrayCompact(arrayFilter(page -> page != '', arrayMap(row -> row.3, visit))), 1, {length:UInt8}), visits) AS ways
    FROM experiments_analytics.events_processed
    WHERE experiment_id = {experiment_id:Int32} AND is_valid AND ({variant_key:String} = '' OR variant_key = {variant_key:String})
    GROUP BY user_id
)
ARRAY JOIN ways AS way
WHERE notEmpty(way)
GROUP BY way
ORDER BY visits DESC, path
LIMIT {top:UInt16}
