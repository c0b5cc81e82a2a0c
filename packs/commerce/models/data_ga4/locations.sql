-- kind: keyed
-- key: property_id, date, country, region, city
-- order_by: property_id, date, country, region, city
-- description: visits by place and day as GA4 reports them
-- owner: data
-- audit: not_null(date)
SELECT
    landed.property_id AS property_id,
    toDate32OrNull(landed.date) AS date,
    landed.country AS country,
    landed.region AS region,
    landed.city AS city,
    argMax(tuple(landed.totalUsers), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS total_users,
    argMax(tuple(landed.newUsers), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS new_users,
    argMax(tuple(landed.sessions), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS sessions,
    argMax(tuple(landed.screenPageViews), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS screen_page_views,
    toDecimal64OrNull(toString(argMax(tuple(landed.bounceRate), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 9) AS bounce_rate
FROM bronze.raw_ga4_locations AS landed
GROUP BY property_id, date, country, region, city
