-- kind: view
-- description: of the users first exposed on a day, how many had an event n days later; complete: that day is over for all of them as of the newest event
SELECT
    c.experiment_id AS experiment_id, c.variant_id AS variant_id, c.cohort_day AS cohort_day, n.day AS day, c.users AS users,
    ifNull(r.returned, 0) AS returned, if(c.users = 0, 0, returned / c.users) AS rate,
    addDays(c.cohort_day, n.day) < (SELECT toDate32(max(timestamp), 'UTC') FROM experiments_analytics.events_processed) AS complete
FROM (SELECT experiment_id, variant_id, toDate32(first_exposure_at, 'UTC') AS cohort_day, count() AS users
      FROM experiments_analytics.user_experiment_stats WHERE exposures > 0 GROUP BY experiment_id, variant_id, cohort_day) AS c
CROSS JOIN (SELECT toInt32(number) AS day FROM numbers(15)) AS n
LEFT JOIN
(
    SELECT e.experiment_id AS experiment_id, e.variant_id AS variant_id, toDate32(s.first_exposure_at, 'UTC') AS cohort_day,
           toInt32(dateDiff('day', cohort_day, toDate32(e.timestamp, 'UTC'))) AS day, uniqExact(e.user_id) AS returned
    FROM experiments_analytics.events_processed AS e
    INNER JOIN experiments_analytics.user_experiment_stats AS s
        ON s.experiment_id = e.experiment_id AND s.variant_id = e.variant_id AND s.user_id = e.user_id
    WHERE e.is_valid AND s.exposures > 0
    GROUP BY experiment_id, variant_id, cohort_day, day
) AS r ON r.experiment_id = c.experiment_id AND r.variant_id = c.variant_id AND r.cohort_day = c.cohort_day AND r.day = n.day
