-- kind: keyed
-- key: profile_id
-- order_by: profile_id
-- description: people that Klaviyo knows, with what it predicts of them
-- owner: data
-- audit: unique(profile_id)
SELECT
    extracted.profile_id AS profile_id,
    argMax(tuple(extracted.email), extracted.version).1 AS email,
    argMax(tuple(extracted.external_id), extracted.version).1 AS external_id,
    argMax(tuple(extracted.phone_number), extracted.version).1 AS phone_number,
    argMax(tuple(extracted.first_name), extracted.version).1 AS first_name,
    argMax(tuple(extracted.last_name), extracted.version).1 AS last_name,
    argMax(tuple(extracted.created_at), extracted.version).1 AS created_at,
    argMax(tuple(extracted.updated_at), extracted.version).1 AS updated_at,
    argMax(tuple(extracted.country), extracted.version).1 AS country,
    argMax(tuple(extracted.region), extracted.version).1 AS region,
    argMax(tuple(extracted.city), extracted.version).1 AS city,
    argMax(extracted.accepts_marketing, extracted.version) AS accepts_marketing,
    argMax(tuple(extracted.historic_clv), extracted.version).1 AS historic_clv,
    argMax(tuple(extracted.predicted_clv), extracted.version).1 AS predicted_clv,
    argMax(tuple(extracted.total_clv), extracted.version).1 AS total_clv,
    argMax(tuple(extracted.churn_probability), extracted.version).1 AS churn_probability,
    argMax(tuple(extracted.average_order_value), extracted.version).1 AS average_order_value,
    argMax(tuple(extracted.average_days_between_orders), extracted.version).1 AS average_days_between_orders,
    argMax(tuple(extracted.historic_orders), extracted.version).1 AS historic_orders,
    argMax(tuple(extracted.predicted_orders), extracted.version).1 AS predicted_orders,
    argMax(tuple(extracted.expected_next_order), extracted.version).1 AS expected_next_order,
    argMax(tuple(extracted.last_event_at), extracted.version).1 AS last_event_at
FROM staging.klaviyo_profiles AS extracted
GROUP BY profile_id
