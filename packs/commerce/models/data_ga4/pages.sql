-- kind: keyed
-- key: property_id, date, host_name, page_path
-- order_by: property_id, date, host_name, page_path
-- description: views by page and day as GA4 reports them
-- owner: data
-- audit: not_null(date)
SELECT
    landed.property_id AS property_id,
    toDate32OrNull(landed.date) AS date,
    landed.hostName AS host_name,
    landed.pagePathPlusQueryString AS page_path,
    argMax(tuple(landed.screenPageViews), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1 AS screen_page_views,
    toDecimal64OrNull(toString(argMax(tuple(landed.bounceRate), (landed._airbyte_extracted_at, landed._airbyte_raw_id)).1), 9) AS bounce_rate
FROM bronze.raw_ga4_pages AS landed
GROUP BY property_id, date, host_name, page_path
