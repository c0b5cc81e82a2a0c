-- kind: incremental
-- key: id
-- order_by: experiment_id, user_id
-- description: who was given which variant when
SELECT id, experiment_id, user_id, variant_id, variant_key, assigned_at, enrolled_at, source, created_at, updated_at
FROM bronze.assignments
