-- kind: keyed
-- key: campaign_id
-- order_by: campaign_id
-- description: campaigns as they are now, with the ids of their messages
-- owner: data
-- audit: unique(campaign_id)
SELECT
    assumeNotNull(landed.id) AS campaign_id,
    argMax(ifNull(landed.attributes, ''), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS attributes,
    argMax(ifNull(landed.relationships, ''), (coalesce(landed.updated_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id)) AS relationships,
    JSONExtractString(attributes, 'name') AS name,
    JSONExtractString(attributes, 'status') AS status,
    JSONExtractBool(attributes, 'archived') AS archived,
    parseDateTime64BestEffortOrNull(JSONExtractString(attributes, 'send_time'), 6, 'UTC') AS send_time,
    arrayMap(message -> message.id, JSONExtract(relationships, 'campaign-messages', 'data', 'Array(Tuple(id String, type String))')) AS message_ids
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, relationships, updated_at
    FROM bronze.raw_klaviyo_campaigns
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, id, attributes, relationships,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'updated_at'), 6, 'UTC') AS updated_at
    FROM staging.klaviyo_documents
    WHERE kind = 'campaign'
) AS landed
WHERE landed.id IS NOT NULL
GROUP BY campaign_id
