-- kind: keyed
-- key: list_id
-- order_by: list_id
-- description: lists of profiles
-- audit: unique(list_id)
SELECT
    assumeNotNull(landed.id) AS list_id,
    argMax(ifNull(landed.attributes, ''), (coalesce(landed.updated, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS attributes,
    JSONExtractString(attributes, 'name') AS name,
    JSONExtractString(attributes, 'opt_in_process') AS opt_in_process,
    parseDateTime64BestEffortOrNull(JSONExtractString(attributes, 'created'), 6, 'UTC') AS created_at
FROM bronze.raw_klaviyo_lists AS landed
WHERE landed.id IS NOT NULL
GROUP BY list_id
