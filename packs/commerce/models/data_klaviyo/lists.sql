-- kind: keyed
-- key: list_id
-- order_by: list_id
-- description: lists that profiles are on, as they are now
-- owner: data
-- audit: unique(list_id)
SELECT
    assumeNotNull(landed.id) AS list_id,
    argMax(ifNull(landed.attributes, ''), (coalesce(landed.updated, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS attributes,
    JSONExtractString(attributes, 'name') AS name,
    JSONExtractString(attributes, 'opt_in_process') AS opt_in_process,
    parseDateTime64BestEffortOrNull(JSONExtractString(attributes, 'created'), 6, 'UTC') AS created_at
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, updated
    FROM bronze.raw_klaviyo_lists
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, id, attributes,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'updated'), 6, 'UTC') AS updated
    FROM staging.klaviyo_documents
    WHERE kind = 'list'
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY list_id
