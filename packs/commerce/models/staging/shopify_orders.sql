-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of an order: money as Decimal, nested JSON parsed once into typed arrays. A higher version is newer: later changed, then later extracted
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS id,
    (greatest(coalesce(landed.updated_at, landed.created_at, toDateTime64(0, 6, 'UTC')), coalesce(landed.deleted_at, toDateTime64(0, 6, 'UTC'))),
     landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    landed.deleted_at AS deleted_at,
    ifNull(landed.shop_url, '') AS shop,
    landed.name AS name,
    landed.order_number AS order_number,
    lowerUTF8(landed.email) AS email,
    JSONExtract(ifNull(landed.customer, ''), 'id', 'Nullable(Int64)') AS customer_id,
    landed.created_at AS created_at,
    landed.updated_at AS updated_at,
    coalesce(landed.processed_at, landed.created_at) AS processed_at,
    landed.cancelled_at AS cancelled_at,
    landed.cancel_reason AS cancel_reason,
    ifNull(landed.currency, '') AS currency,
    landed.presentment_currency AS presentment_currency,
    landed.financial_status AS financial_status,
    landed.fulfillment_status AS fulfillment_status,
    ifNull(landed.test, false) AS is_test,
    landed.source_name AS source_name,
    landed.landing_site AS landing_site,
    landed.referring_site AS referring_site,
    landed.tags AS tags,
    toDecimal64OrNull(toString(landed.total_line_items_price), 4) AS total_line_items_price,
    toDecimal64OrNull(toString(landed.total_discounts), 4) AS total_discounts,
    toDecimal64OrNull(toString(landed.subtotal_price), 4) AS subtotal_price,
    toDecimal64OrNull(toString(landed.total_tax), 4) AS total_tax,
    toDecimal64OrNull(toString(landed.total_price), 4) AS total_price,
    JSONExtract(ifNull(landed.total_shipping_price_set, ''), 'shop_money', 'amount', 'Nullable(Decimal(18, 4))') AS total_shipping,
    JSONExtract(ifNull(landed.line_items, ''), 'Array(Tuple(id Int64, product_id Nullable(Int64), variant_id Nullable(Int64), sku Nullable(String), title Nullable(String), variant_title Nullable(String), vendor Nullable(String), quantity Int64, price Nullable(Decimal(18, 4)), total_discount Nullable(Decimal(18, 4)), gift_card Bool, discount_allocations Array(Tuple(amount Nullable(Decimal(18, 4)), discount_application_index Int64)), tax_lines Array(Tuple(title Nullable(String), price Nullable(Decimal(18, 4)), rate Nullable(Float64)))))') AS line_items,
    JSONExtract(ifNull(landed.discount_codes, ''), 'Array(Tuple(code String, amount Nullable(Decimal(18, 4)), type Nullable(String)))') AS discount_codes,
    JSONExtract(ifNull(landed.tax_lines, ''), 'Array(Tuple(title Nullable(String), price Nullable(Decimal(18, 4)), rate Nullable(Float64)))') AS tax_lines,
    JSONExtract(ifNull(landed.note_attributes, ''), 'Array(Tuple(name String, value Nullable(String)))') AS note_attributes,
    JSONExtract(ifNull(landed.payment_gateway_names, ''), 'Array(String)') AS payment_gateways
FROM bronze.raw_shopify_orders AS landed
WHERE landed.id IS NOT NULL
