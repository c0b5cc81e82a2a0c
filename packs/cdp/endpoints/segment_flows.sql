-- description: who came into a segment and who left, by hour
-- param segment String required "the segment"
-- param hours UInt32 default=24 min=1 max=2160 "how far back"
SELECT toStartOfHour(at) AS hour, countIf(entered) AS entered, countIf(NOT entered) AS exited
FROM
(
    SELECT arrayJoin([(entered_at, true), (exited_at, false)]) AS move, move.1 AS at, move.2 AS entered
    FROM cdp.segment_membership
    WHERE segment = {segment:String}
)
WHERE at >= now() - toIntervalHour({hours:UInt32})
GROUP BY hour
ORDER BY hour
