-- kind: incremental
-- key: raw_id
-- order_by: profile_id, raw_id
-- description: every extracted version of a Klaviyo profile, its JSON:API attributes parsed once
-- owner: data
-- audit: unique(raw_id)
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS profile_id,
    (coalesce(landed.updated, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    if(match(ifNull(landed.attributes, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.attributes, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.attributes, '')) AS attributes,
    JSONExtractRaw(attributes, 'location') AS location,
    JSONExtractRaw(attributes, 'predictive_analytics') AS predicted,
    lowerUTF8(JSONExtract(attributes, 'email', 'Nullable(String)')) AS email,
    JSONExtract(attributes, 'external_id', 'Nullable(String)') AS external_id,
    JSONExtract(attributes, 'phone_number', 'Nullable(String)') AS phone_number,
    JSONExtract(attributes, 'first_name', 'Nullable(String)') AS first_name,
    JSONExtract(attributes, 'last_name', 'Nullable(String)') AS last_name,
    parseDateTime64BestEffortOrNull(JSONExtractString(attributes, 'created'), 6, 'UTC') AS created_at,
    landed.updated AS updated_at,
    JSONExtract(location, 'country', 'Nullable(String)') AS country,
    JSONExtract(location, 'region', 'Nullable(String)') AS region,
    JSONExtract(location, 'city', 'Nullable(String)') AS city,
    toBool(JSONExtractString(attributes, 'subscriptions', 'email', 'marketing', 'consent') = 'SUBSCRIBED' OR JSONExtractBool(attributes, 'properties', 'accepts_marketing')) AS accepts_marketing,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(predicted, 'historic_clv'), '"', ''), 4) AS historic_clv,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(predicted, 'predicted_clv'), '"', ''), 4) AS predicted_clv,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(predicted, 'total_clv'), '"', ''), 4) AS total_clv,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(predicted, 'churn_probability'), '"', ''), 9) AS churn_probability,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(predicted, 'average_order_value'), '"', ''), 4) AS average_order_value,
    toDecimal64OrNull(replaceAll(JSONExtractRaw(predicted, 'average_days_between_orders'), '"', ''), 4) AS average_days_between_orders,
    JSONExtract(predicted, 'historic_number_of_orders', 'Nullable(Int64)') AS historic_orders,
    JSONExtract(predicted, 'predicted_number_of_orders', 'Nullable(Float64)') AS predicted_orders,
    parseDateTime64BestEffortOrNull(JSONExtractString(predicted, 'expected_date_of_next_order'), 6, 'UTC') AS expected_next_order,
    parseDateTime64BestEffortOrNull(JSONExtractString(attributes, 'last_event_date'), 6, 'UTC') AS last_event_at
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, id, attributes, updated
    FROM bronze.raw_klaviyo_profiles
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, id, attributes,
        parseDateTime64BestEffortOrNull(JSONExtractString(ifNull(attributes, ''), 'updated'), 6, 'UTC') AS updated
    FROM staging.klaviyo_documents
    WHERE kind = 'profile'
) AS landed
WHERE landed.id IS NOT NULL
