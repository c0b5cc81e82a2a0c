-- description: who was told what, the newest first
-- param segment String default="" "one segment; all when it is empty"
-- param rows UInt32 default=100 min=1 max=1000 "how many"
SELECT seq, happened_at, segment, type, cause, entity, destinations, data
FROM cdp.notifications
WHERE {segment:String} = '' OR segment = {segment:String}
ORDER BY seq DESC
LIMIT {rows:UInt32}
