-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of a customer, its JSON parsed once
-- owner: data
-- audit: unique(raw_id)
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS id,
    (greatest(coalesce(landed.updated_at, landed.created_at, toDateTime64(0, 6, 'UTC')), coalesce(landed.deleted_at, toDateTime64(0, 6, 'UTC'))),
     landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    landed.deleted_at AS deleted_at,
    ifNull(landed.shop_url, '') AS shop,
    lowerUTF8(landed.email) AS email,
    landed.first_name AS first_name,
    landed.last_name AS last_name,
    landed.phone AS phone,
    landed.state AS state,
    landed.created_at AS created_at,
    landed.updated_at AS updated_at,
    landed.orders_count AS orders_count,
    toDecimal64OrNull(toString(landed.total_spent), 4) AS total_spent,
    landed.currency AS currency,
    landed.tags AS tags,
    toBool(JSONExtractString(ifNull(landed.email_marketing_consent, ''), 'state') = 'subscribed' OR ifNull(landed.accepts_marketing, false)) AS accepts_marketing,
    JSONExtract(ifNull(landed.addresses, ''), 'Array(Tuple(id Int64, address1 Nullable(String), city Nullable(String), province Nullable(String), province_code Nullable(String), zip Nullable(String), country Nullable(String), country_code Nullable(String), default Bool))') AS addresses
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, shop_url,
        id, email, first_name, last_name, phone, state, created_at, updated_at, orders_count, total_spent, currency, tags, email_marketing_consent,
        accepts_marketing, addresses, deleted_at
    FROM bronze.raw_shopify_customers
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, toNullable(shop) AS shop_url,
        if(topic = 'customers/redact', JSONExtract(document, 'customer', 'id', 'Nullable(Int64)'), JSONExtract(document, 'id', 'Nullable(Int64)')) AS id,
        tupleElement(body, 'email') AS email, tupleElement(body, 'first_name') AS first_name, tupleElement(body, 'last_name') AS last_name,
        tupleElement(body, 'phone') AS phone, tupleElement(body, 'state') AS state,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'created_at'), 6, 'UTC') AS created_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'updated_at'), 6, 'UTC') AS updated_at, tupleElement(body, 'orders_count') AS orders_count,
        tupleElement(body, 'total_spent') AS total_spent, tupleElement(body, 'currency') AS currency, tupleElement(body, 'tags') AS tags,
        tupleElement(body, 'email_marketing_consent') AS email_marketing_consent, tupleElement(body, 'accepts_marketing') AS accepts_marketing,
        tupleElement(body, 'addresses') AS addresses, if(topic IN ('customers/delete', 'customers/redact'), toNullable(extracted_at), NULL) AS deleted_at
    FROM
    (
        SELECT raw_id, extracted_at, shop, topic, document,
            JSONExtract(document, 'Tuple(email Nullable(String), first_name Nullable(String), last_name Nullable(String), phone Nullable(String), state Nullable(String), created_at Nullable(String), updated_at Nullable(String), orders_count Nullable(Int64), total_spent Nullable(String), currency Nullable(String), tags Nullable(String), email_marketing_consent Nullable(String), accepts_marketing Nullable(Bool), addresses Nullable(String))') AS body
        FROM staging.shopify_documents
        WHERE topic IN ('customers/create', 'customers/update', 'customers/enable', 'customers/disable', 'customers/delete', 'customers/redact')
    )
) AS landed
WHERE landed.id IS NOT NULL
