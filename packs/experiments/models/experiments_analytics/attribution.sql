-- kind: view
-- description: each conversion credited to the sources of the user's touches up to it: first, last, last that is not direct, equally, by age (half in 7 days), 40-20-40. What rounding leaves goes to the last touch, so every column adds up to the conversions that had a touch
WITH touched AS
(
    SELECT
        c.id AS conversion, any(toDecimal128(c.value, 12)) AS spent,
        arraySort(groupArray((t.timestamp, t.id, t.source, exp2(-dateDiff('second', t.timestamp, c.timestamp) / 604800)))) AS touches,
        length(touches) AS n, arraySum(touch -> touch.4, touches) AS decay,
        arrayLastIndex(touch -> touch.3 != 'direct', touches) AS indirect,
        arrayMap((touch, place) -> toDecimal128(1 / n, 12), touches, arrayEnumerate(touches)) AS equal,
        arrayMap((touch, place) -> toDecimal128(touch.4 / decay, 12), touches, arrayEnumerate(touches)) AS aged,
        arrayMap((touch, place) -> toDecimal128(multiIf(n = 1, 1., n = 2, 0.5, place = 1 OR place = n, 0.4, 0.2 / (n - 2)), 12), touches, arrayEnumerate(touches)) AS placed,
        toDecimal128(1, 12) AS one,
        arrayPushBack(arrayPopBack(equal), one - arraySum(arrayPopBack(equal))) AS equally,
        arrayPushBack(arrayPopBack(aged), one - arraySum(arrayPopBack(aged))) AS by_age,
        arrayPushBack(arrayPopBack(placed), one - arraySum(arrayPopBack(placed))) AS by_place
    FROM experiments_analytics.events_processed AS c
    INNER JOIN experiments_analytics.events_processed AS t ON t.user_id = c.user_id
    WHERE c.is_conversion AND t.source != '' AND t.timestamp <= c.timestamp
    GROUP BY conversion
)
SELECT
    touches[place].3 AS source,
    countIf(place = 1) AS first_touch, countIf(place = n) AS last_touch, countIf(place = if(indirect = 0, n, indirect)) AS last_non_direct,
    sum(equally[place]) AS linear, sum(by_age[place]) AS time_decay, sum(by_place[place]) AS position_based,
    sumIf(spent, place = 1) AS first_touch_value, sumIf(spent, place = n) AS last_touch_value, sum(spent * equally[place]) AS linear_value
FROM touched
ARRAY JOIN arrayEnumerate(touches) AS place
GROUP BY source
