-- kind: keyed
-- key: experiment_id, variant_id
-- order_by: experiment_id, variant_id
-- description: assigned, exposed and converted users by variant; an event before its assignment does not count
SELECT
    a.experiment_id AS experiment_id, a.variant_id AS variant_id,
    uniqExact(a.user_id) AS assigned,
    uniqExactIf(a.user_id, e.event_type = 'exposure' AND e.occurred_at >= a.assigned_at) AS exposed,
    uniqExactIf(a.user_id, e.event_type = 'conversion' AND e.occurred_at >= a.assigned_at) AS converted
FROM silver.assignments AS a
LEFT JOIN bronze.events AS e ON e.experiment_id = a.experiment_id AND e.variant_id = a.variant_id AND e.user_id = a.user_id
GROUP BY experiment_id, variant_id
