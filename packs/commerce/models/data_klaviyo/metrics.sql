-- kind: keyed
-- key: metric_id
-- order_by: metric_id
-- description: what events are called, and where they come from
-- audit: unique(metric_id)
SELECT
    assumeNotNull(landed.id) AS metric_id,
    argMax(ifNull(landed.attributes, ''), (coalesce(landed.updated, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS attributes,
    JSONExtractString(attributes, 'name') AS name,
    JSONExtractString(attributes, 'integration', 'name') AS integration,
    JSONExtractString(attributes, 'integration', 'category') AS integration_category
FROM bronze.raw_klaviyo_metrics AS landed
WHERE landed.id IS NOT NULL
GROUP BY metric_id
