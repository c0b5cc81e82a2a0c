-- kind: view
-- description: profiles by what they have spent and where they live; people with no recorded value are apart. Active: an event within 30 days before the newest one
-- owner: email
-- audit: unique(clv_segment, country)
SELECT
    multiIf(isNull(person.historic_clv) OR person.historic_clv = 0, 'No Purchase History', person.historic_clv < 100, 'Low Value', person.historic_clv < 500, 'Medium Value', 'High Value') AS clv_segment,
    ifNull(person.country, '') AS country,
    count() AS customers,
    avg(person.historic_clv) AS avg_historic_clv,
    avg(person.predicted_clv) AS avg_predicted_clv,
    avg(person.churn_probability) AS avg_churn_probability,
    countIf(person.accepts_marketing) AS opted_in,
    countIf(last.at > newest.at - INTERVAL 30 DAY) AS active_30d
FROM data_klaviyo.profiles AS person
LEFT JOIN (SELECT profile_id, toNullable(max(datetime)) AS at FROM data_klaviyo.events GROUP BY profile_id) AS last ON last.profile_id = person.profile_id
CROSS JOIN (SELECT max(datetime) AS at FROM data_klaviyo.events) AS newest
GROUP BY clv_segment, country
