-- kind: incremental
-- key: raw_id
-- order_by: event_id, raw_id
-- description: every extracted version of a Klaviyo event, its JSON:API attributes parsed once
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS event_id,
    (landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    landed.datetime AS datetime,
    JSONExtractString(ifNull(landed.relationships, ''), 'metric', 'data', 'id') AS metric_id,
    JSONExtractString(ifNull(landed.relationships, ''), 'profile', 'data', 'id') AS profile_id,
    JSONExtractRaw(ifNull(landed.attributes, ''), 'event_properties') AS properties,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(properties, '$value'), '"', ''), 4) AS value,
    JSONExtractString(properties, '$value_currency') AS value_currency,
    JSONExtractString(properties, '$message') AS message_id,
    JSONExtractString(properties, '$flow') AS flow_id,
    JSONExtractString(properties, '$attributed_message') AS attributed_message_id,
    JSONExtractString(properties, '$attributed_flow') AS attributed_flow_id,
    JSONExtractString(properties, 'Campaign Name') AS campaign_name,
    JSONExtractString(properties, 'Subject') AS subject,
    JSONExtractString(properties, 'utm_source') AS utm_source,
    JSONExtractString(properties, 'utm_medium') AS utm_medium,
    JSONExtractString(properties, 'utm_campaign') AS utm_campaign,
    JSONExtractString(properties, 'Product Name') AS product_name,
    JSONExtractString(properties, 'Client Type') AS device,
    JSONExtractString(properties, 'page') AS page,
    toBool(JSONExtractBool(properties, 'Bot Click')) AS is_bot,
    toBool(JSONExtractBool(properties, 'machine_open') OR JSONExtractString(properties, 'Client Name') = 'Apple Mail Privacy') AS is_machine_open,
    JSONExtractString(properties, '$event_id') AS order_id
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, relationships, datetime
    FROM bronze.raw_klaviyo_events
    UNION ALL
    SELECT message_id AS _airbyte_raw_id, timestamp AS _airbyte_extracted_at, tupleElement(body, 'id') AS id,
        tupleElement(body, 'attributes') AS attributes, tupleElement(body, 'relationships') AS relationships,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'datetime'), 6, 'UTC') AS datetime
    FROM
    (
        SELECT message_id, timestamp,
            JSONExtract(properties, 'data', 'Tuple(id Nullable(String), attributes Nullable(String), relationships Nullable(String))') AS body
        FROM bronze.klaviyo_webhooks
        WHERE JSONExtractString(properties, 'data', 'type') = 'event'
    )
) AS landed
WHERE landed.id IS NOT NULL
