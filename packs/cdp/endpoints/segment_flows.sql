-- description: who came into a segment and who left, by hour
-- param segment String required "the segment"
-- param hours UInt32 default=24 min=1 max=2160 "how far back"
SELECT toStartOfHour(at) AS hour, countIf(came = 1) AS entered, countIf(came = 0) AS exited
FROM
(
    SELECT entered_at AS at, 1 AS came
    FROM cdp.segment_membership
    WHERE segment = {segment:String}
    UNION ALL
    SELECT assumeNotNull(exited_at) AS at, 0 AS came
    FROM cdp.segment_membership
    WHERE segment = {segment:String} AND exited_at IS NOT NULL
)
WHERE at >= now() - toIntervalHour({hours:UInt32})
GROUP BY hour
ORDER BY hour
