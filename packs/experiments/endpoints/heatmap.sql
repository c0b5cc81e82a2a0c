-- description: events and users by hour of the week (weekday 1: Monday; UTC) or by page and device
-- param experiment_id Int32 required "Experiment"
-- param by String default=hour "hour or page"
-- param event_type String default='' "Only events of this type; empty: all"
WITH throwIf({by:String} NOT IN ('hour', 'page'), 'by is hour or page') AS by_fits
SELECT
    if({by:String} = 'hour', toString(toDayOfWeek(timestamp, 0, 'UTC')), page) AS row,
    if({by:String} = 'hour', leftPad(toString(toHour(timestamp, 'UTC')), 2, '0'), device) AS column,
    count() AS events, uniqExact(user_id) AS users
FROM experiments_analytics.events_processed
WHERE experiment_id = {experiment_id:Int32} AND is_valid AND by_fits = 0 AND ({event_type:String} = '' OR event_type = {event_type:String})
GROUP BY row, column
ORDER BY row, column
