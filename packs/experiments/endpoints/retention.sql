-- description: users that come back after their first exposure, by variant and span of days. day: on that day; unbounded: on that day or later; bracket: from one bound up to the next. complete: the span is over for all of them as of the newest event (unbounded: its first day is)
-- param experiment_id Int32 required "Experiment"
-- param mode String default=day "day, unbounded or bracket"
-- param days Array(UInt16) default=[0,1,2,3,4,5,6,7,14,30] "Days after the exposure; of brackets the bounds"
-- param event_type String default='' "Only events of this type; empty: any but exposures"
WITH
    throwIf({mode:String} NOT IN ('day', 'unbounded', 'bracket'), 'mode is day, unbounded or bracket') AS mode_fits,
    arraySort({days:Array(UInt16)}) AS bounds,
    multiIf(
        {mode:String} = 'day', arrayMap(day -> (toInt32(day), toInt32(day + 1)), bounds),
        {mode:String} = 'unbounded', arrayMap(day -> (toInt32(day), toInt32(1000000)), bounds),
        arrayMap((day, next) -> (toInt32(day), toInt32(next)), arrayPopBack(bounds), arrayPopFront(bounds))) AS spans,
    (SELECT toDate32(max(timestamp), 'UTC') FROM experiments_analytics.events_processed) AS today
SELECT
    variant_key, span.1 AS from_day, if(span.2 = 1000000, NULL, span.2) AS before_day, count() AS users,
    countIf(arrayExists(day -> day >= span.1 AND day < span.2, returned)) AS returned, if(users = 0, 0, returned / users) AS rate,
    min(addDays(cohort, if(span.2 = 1000000, span.1 + 1, span.2)) <= today) AS complete
FROM
(
    SELECT variant_key, user_id, toDate32(minIf(timestamp, is_exposure), 'UTC') AS cohort, minIf(timestamp, is_exposure) AS first_at,
        arrayMap(row -> toInt32(dateDiff('day', cohort, toDate32(row, 'UTC'))), arrayFilter(row -> row >= first_at,
            groupArrayIf(timestamp, if({event_type:String} = '', NOT is_exposure, event_type = {event_type:String})))) AS returned
    FROM experiments_analytics.events_processed
    WHERE experiment_id = {experiment_id:Int32} AND is_valid AND mode_fits = 0
    GROUP BY variant_key, user_id
    HAVING countIf(is_exposure) > 0
)
ARRAY JOIN spans AS span
GROUP BY variant_key, span
ORDER BY variant_key, span
