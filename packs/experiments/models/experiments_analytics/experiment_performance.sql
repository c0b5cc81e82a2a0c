-- kind: view
-- description: variants side by side; rates are of users, lift and p against the control (two proportions). `tidemark experiment report` has intervals that may be looked at any time
WITH by_variant AS
(
    SELECT
        v.experiment_id AS experiment_id, v.id AS variant_id, any(v.key) AS variant_key, any(v.is_control) AS is_control,
        sum(s.events) AS events, sum(s.exposures) AS exposures, sum(s.conversions) AS conversions,
        countIf(s.exposures > 0) AS unique_users, countIf(s.exposures > 0 AND s.has_converted) AS converted_users,
        sum(s.value) AS value
    FROM bronze.variants AS v
    LEFT JOIN experiments_analytics.user_experiment_stats AS s ON s.experiment_id = v.experiment_id AND s.variant_id = v.id
    GROUP BY experiment_id, variant_id
)
SELECT
    a.experiment_id AS experiment_id, a.variant_id AS variant_id, a.variant_key AS variant_key, a.is_control AS is_control,
    a.events AS events, a.exposures AS exposures, a.conversions AS conversions, a.unique_users AS unique_users,
    a.converted_users AS converted_users,
    if(a.unique_users = 0, 0, a.converted_users / a.unique_users) AS conversion_rate,
    if(a.unique_users = 0, 0, toFloat64(a.value) / a.unique_users) AS revenue_per_user,
    if(a.converted_users = 0, 0, toFloat64(a.value) / a.converted_users) AS revenue_per_conversion,
    if(c.unique_users = 0, 0, c.converted_users / c.unique_users) AS control_rate,
    if(a.is_control OR control_rate = 0, NULL, conversion_rate / control_rate - 1) AS lift,
    (a.converted_users + c.converted_users) / (a.unique_users + c.unique_users) AS pooled_rate,
    sqrt(pooled_rate * (1 - pooled_rate) * (1 / a.unique_users + 1 / c.unique_users)) AS pooled_error,
    if(a.is_control OR NOT isFinite(pooled_error) OR pooled_error = 0, NULL,
       erfc(abs(conversion_rate - control_rate) / pooled_error / sqrt(2))) AS p_value
FROM by_variant AS a
LEFT JOIN (SELECT * FROM by_variant WHERE is_control) AS c ON c.experiment_id = a.experiment_id
