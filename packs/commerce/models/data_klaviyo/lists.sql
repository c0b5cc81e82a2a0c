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
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, updated
    FROM bronze.raw_klaviyo_lists
    UNION ALL
    SELECT message_id AS _airbyte_raw_id, timestamp AS _airbyte_extracted_at, tupleElement(body, 'id') AS id,
        tupleElement(body, 'attributes') AS attributes,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'updated'), 6, 'UTC') AS updated
    FROM
    (
        SELECT message_id, timestamp,
            JSONExtract(properties, 'data', 'Tuple(id Nullable(String), attributes Nullable(String), relationships Nullable(String))') AS body
        FROM bronze.klaviyo_webhooks
        WHERE event = 'pull/lists'
    )
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY list_id
