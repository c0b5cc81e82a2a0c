-- kind: view
-- description: users that were exposed, then clicked, then converted, in that order (at one moment in the order of the steps)
SELECT experiment_id, variant_id, count() AS exposed, countIf(reached >= 2) AS clicked, countIf(reached >= 3) AS converted
FROM
(
    SELECT
        experiment_id, variant_id, user_id,
        arrayFold((done, step) -> if(step.2 = done + 1, toUInt8(done + 1), done),
            arraySort(groupArray((timestamp, toUInt8(indexOf(['exposure', 'click', 'conversion'], event_type))))), toUInt8(0)) AS reached
    FROM experiments_analytics.events_processed
    WHERE is_valid AND event_type IN ('exposure', 'click', 'conversion')
    GROUP BY experiment_id, variant_id, user_id
)
WHERE reached >= 1
GROUP BY experiment_id, variant_id
