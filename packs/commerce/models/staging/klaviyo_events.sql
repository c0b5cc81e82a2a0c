-- kind: incremental
-- key: raw_id
-- order_by: event_id, raw_id
-- description: every extracted version of a Klaviyo event, its JSON:API attributes parsed once
-- owner: data
-- audit: unique(raw_id)
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS event_id,
    (landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    landed.datetime AS datetime,
    JSONExtractString(ifNull(landed.relationships, ''), 'metric', 'data', 'id') AS metric_id,
    JSONExtractString(ifNull(landed.relationships, ''), 'profile', 'data', 'id') AS profile_id,
    JSONExtractRaw(if(match(ifNull(landed.attributes, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.attributes, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.attributes, '')), 'event_properties') AS properties,
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
    JSONExtract(properties, '$event_id', 'String') AS order_id
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, relationships, datetime
    FROM bronze.raw_klaviyo_events
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, id, attributes, relationships,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'datetime'), 6, 'UTC') AS datetime
    FROM staging.klaviyo_documents
    WHERE kind = 'event'
) AS landed
WHERE landed.id IS NOT NULL
