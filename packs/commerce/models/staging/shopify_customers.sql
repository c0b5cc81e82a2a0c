-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of a customer, its JSON parsed once
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
FROM bronze.raw_shopify_customers AS landed
WHERE landed.id IS NOT NULL
