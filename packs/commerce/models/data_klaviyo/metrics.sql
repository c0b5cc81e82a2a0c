-- kind: keyed
-- key: metric_id
-- order_by: metric_id
-- description: what events are called, and where they come from
-- owner: data
-- audit: unique(metric_id)
SELECT
    assumeNotNull(landed.id) AS metric_id,
    argMax(ifNull(landed.attributes, ''), (coalesce(landed.updated, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS attributes,
    JSONExtractString(attributes, 'name') AS name,
    JSONExtractString(attributes, 'integration', 'name') AS integration,
    JSONExtractString(attributes, 'integration', 'category') AS integration_category
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, updated
    FROM bronze.raw_klaviyo_metrics
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, id, attributes,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'updated'), 6, 'UTC') AS updated
    FROM staging.klaviyo_documents
    WHERE kind = 'metric'
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY metric_id
