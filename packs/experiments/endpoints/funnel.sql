-- description: users of an experiment by the steps they did, one row a variant and step. ordered: other events may lie between two steps; strict: none of the user's in the experiment may; any: the steps in any order
-- param experiment_id Int32 required "Experiment"
-- param steps Array(String) default=['exposure','click','conversion'] "Event types, each once"
-- param mode String default=ordered "ordered, strict or any"
-- param window_s UInt32 default=0 "From the first to the last step at most; 0: any time"
-- param step_window_s UInt32 default=0 "From a step to the next at most (not for any); 0: any time"
WITH
    {steps:Array(String)} AS steps,
    if({window_s:UInt32} = 0, toInt64(4000000000), toInt64({window_s:UInt32})) * 1000000 AS whole,
    if({step_window_s:UInt32} = 0, toInt64(4000000000), toInt64({step_window_s:UInt32})) * 1000000 AS pause,
    throwIf({mode:String} NOT IN ('ordered', 'strict', 'any'), 'mode is ordered, strict or any') AS mode_fits,
    throwIf(arrayUniq(steps) != length(steps) OR empty(steps) OR length(steps) > 12, 'steps are 1 to 12 different event types') AS steps_fit
SELECT variant_key, step, steps[step] AS event_type, countIf(reached >= step) AS users,
    if(max(entered) = 0, 0, users / max(entered)) AS of_first
FROM
(
    SELECT variant_key, reached, sum(toUInt64(reached >= 1)) OVER (PARTITION BY variant_key) AS entered
    FROM
    (
        SELECT
            variant_key, user_id,
            -- At one moment in the order of the steps, what is no step after them.
            arraySort(groupArray((toUnixTimestamp64Micro(timestamp), if(has(steps, event_type), indexOf(steps, event_type), 100), id))) AS rows,
            -- Of every step the newest way to it: when it began and when it got there. A newer one is never worse.
            arrayFold(
                (ways, row) -> arrayMap(
                    (way, place) -> multiIf(
                        row.2 != place, if({mode:String} = 'strict', (toInt64(-1), toInt64(-1), way.3), way),
                        place = 1, (row.1, row.1, toUInt8(1)),
                        ways[place - 1].1 >= 0 AND row.1 - ways[place - 1].1 <= whole AND row.1 - ways[place - 1].2 <= pause,
                            (ways[place - 1].1, row.1, toUInt8(1)),
                        if({mode:String} = 'strict', (toInt64(-1), toInt64(-1), way.3), way)),
                    ways, arrayEnumerate(ways)),
                rows, arrayMap(step -> (toInt64(-1), toInt64(-1), toUInt8(0)), steps)) AS ways,
            arrayFilter(row -> row.2 <= length(steps), rows) AS done,
            if({mode:String} = 'any',
                arrayMax(arrayPushBack(arrayMap(first -> arrayUniq(arrayMap(row -> row.2, arrayFilter(row -> row.1 >= first.1 AND row.1 - first.1 <= whole, done))), done), 0)),
                arraySum(way -> way.3, ways)) AS reached
        FROM experiments_analytics.events_processed
        WHERE experiment_id = {experiment_id:Int32} AND is_valid AND mode_fits = 0 AND steps_fit = 0
        GROUP BY variant_key, user_id
    )
)
ARRAY JOIN arrayEnumerate(steps) AS step
GROUP BY variant_key, step
ORDER BY variant_key, step
