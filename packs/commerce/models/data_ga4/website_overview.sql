-- kind: keyed
-- key: property_id, date
-- order_by: property_id, date
-- description: the whole site by day as GA4 reports it; of a day that was extracted again the newest counts
-- owner: data
-- audit: not_null(date)
SELECT
    landed.property_id AS property_id,
    toDate32OrNull(landed.date) AS date,
    argMax(tuple(landed.totalUsers), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS total_users,
    argMax(tuple(landed.newUsers), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS new_users,
    argMax(tuple(landed.sessions), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS sessions,
    toDecimal64OrNull(toString(argMax(tuple(landed.sessionsPerUser), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 9) AS sessions_per_user,
    toDecimal64OrNull(toString(argMax(tuple(landed.averageSessionDuration), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 9) AS average_session_duration,
    argMax(tuple(landed.screenPageViews), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS screen_page_views,
    toDecimal64OrNull(toString(argMax(tuple(landed.screenPageViewsPerSession), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 9) AS screen_page_views_per_session,
    toDecimal64OrNull(toString(argMax(tuple(landed.bounceRate), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 9) AS bounce_rate
FROM bronze.raw_ga4_website_overview AS landed
GROUP BY property_id, date
