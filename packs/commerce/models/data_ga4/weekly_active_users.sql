-- kind: keyed
-- key: property_id, date
-- order_by: property_id, date
-- description: people who were active in the 7 days up to it, as GA4 reports them; such counts do not add up over days
-- owner: data
-- audit: not_null(date)
SELECT
    landed.property_id AS property_id,
    toDate32OrNull(landed.date) AS date,
    argMax(tuple(landed.active7DayUsers), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS active_users
FROM bronze.raw_ga4_weekly_active_users AS landed
GROUP BY property_id, date
