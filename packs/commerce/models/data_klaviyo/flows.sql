-- kind: keyed
-- key: flow_id
-- order_by: flow_id
-- description: automations: letters that follow what people do, as they are now
-- owner: data
-- audit: unique(flow_id)
SELECT
    assumeNotNull(landed.id) AS flow_id,
    argMax(ifNull(landed.attributes, ''), (coalesce(landed.updated, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS attributes,
    JSONExtractString(attributes, 'name') AS name,
    JSONExtractString(attributes, 'status') AS status,
    JSONExtractString(attributes, 'trigger_type') AS trigger_type,
    JSONExtractBool(attributes, 'archived') AS archived,
    parseDateTime64BestEffortOrNull(JSONExtractString(attributes, 'created'), 6, 'UTC') AS created_at
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, updated
    FROM bronze.raw_klaviyo_flows
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, id, attributes,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'updated'), 6, 'UTC') AS updated
    FROM staging.klaviyo_documents
    WHERE kind = 'flow'
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY flow_id
