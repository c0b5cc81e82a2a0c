-- kind: incremental
-- key: raw_id
-- order_by: event_key, raw_id
-- description: every extracted row of the GA4 export, out of Postgres and of files, and what was sent to the collector, its parameters parsed once. GA4 gives events no id: event_key is a hash of all that makes one
-- owner: data
-- audit: unique(raw_id), not_null(event_date)
SELECT
    landed._airbyte_raw_id AS raw_id,
    (landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    JSONExtract(ifNull(landed.event_params, ''), 'Array(Tuple(key String, value Tuple(string_value Nullable(String), int_value Nullable(String), float_value Nullable(String), double_value Nullable(String))))') AS parameters,
    CAST(arrayMap(one -> (one.1, coalesce(one.2.1, one.2.2, one.2.4, one.2.3, '')), parameters), 'Map(String, String)') AS params,
    lower(hex(MD5(concat(ifNull(landed.event_date, ''), '|', ifNull(landed.stream_id, ''), '|', ifNull(landed.user_pseudo_id, ''), '|', ifNull(landed.event_name, ''), '|',
        toString(ifNull(landed.event_timestamp, 0)), '|', arrayStringConcat(arraySort(JSONExtractArrayRaw(ifNull(landed.event_params, ''))), ','))))) AS event_key,
    toDate32OrNull(ifNull(landed.event_date, '')) AS event_date,
    fromUnixTimestamp64Micro(ifNull(landed.event_timestamp, 0), 'UTC') AS event_at,
    ifNull(landed.event_name, '') AS event_name,
    ifNull(landed.user_pseudo_id, '') AS user_pseudo_id,
    ifNull(landed.user_id, '') AS user_id,
    ifNull(landed.stream_id, '') AS stream_id,
    toInt64OrNull(params['ga_session_id']) AS ga_session_id,
    toBool(params['session_engaged'] IN ('1', 'true')) AS session_engaged,
    ifNull(toInt64OrNull(params['engagement_time_msec']), 0) AS engagement_time_ms,
    params['page_location'] AS page_location,
    if(JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'manual_source') != '', JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'manual_source'), params['source']) AS source,
    if(JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'manual_medium') != '', JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'manual_medium'), params['medium']) AS medium,
    if(JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'manual_campaign_name') != '', JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'manual_campaign_name'), params['campaign']) AS campaign,
    toBool(JSONExtractString(ifNull(landed.collected_traffic_source, ''), 'gclid') != '') AS has_gclid,
    JSONExtractString(ifNull(landed.device, ''), 'category') AS device_category,
    JSONExtractString(ifNull(landed.device, ''), 'operating_system') AS operating_system,
    JSONExtractString(ifNull(landed.device, ''), 'web_info', 'browser') AS browser,
    JSONExtractString(ifNull(landed.geo, ''), 'country') AS country,
    JSONExtractString(ifNull(landed.geo, ''), 'city') AS city,
    nullIf(nullIf(JSONExtract(ifNull(landed.ecommerce, ''), 'transaction_id', 'String'), ''), '(not set)') AS transaction_id,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(if(match(ifNull(landed.ecommerce, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.ecommerce, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.ecommerce, '')), 'purchase_revenue'), '"', ''), 4) AS purchase_revenue,
    params['currency'] AS currency
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, event_date, event_timestamp, event_name, event_params, user_id, user_pseudo_id, device, geo,
        collected_traffic_source, ecommerce, stream_id
    FROM bronze.raw_ga4_events
    UNION ALL
    SELECT message_id AS _airbyte_raw_id, received_at AS _airbyte_extracted_at,
        toNullable(formatDateTime(timestamp, '%Y%m%d', 'UTC')) AS event_date, toNullable(toUnixTimestamp64Micro(timestamp)) AS event_timestamp,
        toNullable(toString(event)) AS event_name,
        toNullable(concat('[', arrayStringConcat(arrayMap(one -> concat('{"key": ', toJSONString(one.1), ', "value": {"',
            if(match(one.2, '^-?[0-9]+$'), 'int_value', if(match(one.2, '^-?[0-9]'), 'double_value', 'string_value')), '": ', one.2, '}}'),
            JSONExtractKeysAndValuesRaw(properties)), ', '), ']')) AS event_params,
        toNullable(user_id) AS user_id, toNullable(anonymous_id) AS user_pseudo_id,
        CAST(NULL, 'Nullable(String)') AS device, CAST(NULL, 'Nullable(String)') AS geo, CAST(NULL, 'Nullable(String)') AS collected_traffic_source,
        toNullable(concat('{"transaction_id": ', if(JSONHas(properties, 'transaction_id'), JSONExtractRaw(properties, 'transaction_id'), '""'),
            if(event = 'purchase' AND JSONHas(properties, 'value'), concat(', "purchase_revenue": ', JSONExtractRaw(properties, 'value')), ''), '}')) AS ecommerce,
        toNullable(group_id) AS stream_id
    FROM bronze.ga4_collected
    UNION ALL
    SELECT document_id AS _airbyte_raw_id, if(position(document, '"_airbyte_e') = 0, extracted_at, coalesce(parseDateTime64BestEffortOrNull(JSONExtract(document, '_airbyte_extracted_at', 'String'), 6, 'UTC'), parseDateTime64BestEffortOrNull(JSONExtract(document, '_airbyte_emitted_at', 'String'), 6, 'UTC'), extracted_at)) AS _airbyte_extracted_at,
        JSONExtract(document, 'event_date', 'Nullable(String)') AS event_date, JSONExtract(document, 'event_timestamp', 'Nullable(Int64)') AS event_timestamp,
        JSONExtract(document, 'event_name', 'Nullable(String)') AS event_name, toNullable(JSONExtractRaw(document, 'event_params')) AS event_params,
        JSONExtract(document, 'user_id', 'Nullable(String)') AS user_id, JSONExtract(document, 'user_pseudo_id', 'Nullable(String)') AS user_pseudo_id,
        toNullable(JSONExtractRaw(document, 'device')) AS device, toNullable(JSONExtractRaw(document, 'geo')) AS geo,
        toNullable(JSONExtractRaw(document, 'collected_traffic_source')) AS collected_traffic_source,
        toNullable(JSONExtractRaw(document, 'ecommerce')) AS ecommerce, JSONExtract(document, 'stream_id', 'Nullable(String)') AS stream_id
    FROM bronze.files_documents
    WHERE system = 'ga4' AND stream = 'events'
) AS landed
