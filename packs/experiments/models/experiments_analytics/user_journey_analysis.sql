-- kind: view
-- description: from assignment to exposure to conversion, user by user
SELECT
    a.experiment_id AS experiment_id, a.variant_id AS variant_id, a.variant_key AS variant_key, a.user_id AS user_id,
    a.assigned_at AS assigned_at,
    if(s.exposures > 0, s.first_exposure_at, NULL) AS exposed_at,
    if(s.conversions > 0, s.first_conversion_at, NULL) AS converted_at,
    multiIf(s.conversions > 0, 'converted', s.exposures > 0, 'exposed', 'assigned') AS stage,
    s.events AS events, s.sessions AS sessions, s.value AS value
FROM experiments_analytics.assignments_processed AS a
LEFT JOIN experiments_analytics.user_experiment_stats AS s
    ON s.experiment_id = a.experiment_id AND s.variant_id = a.variant_id AND s.user_id = a.user_id
