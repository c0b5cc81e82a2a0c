-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of a checkout, its JSON parsed once
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS id,
    (coalesce(landed.updated_at, landed.created_at, toDateTime64(0, 6, 'UTC')), landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    ifNull(landed.shop_url, '') AS shop,
    landed.token AS token,
    landed.cart_token AS cart_token,
    lowerUTF8(landed.email) AS email,
    JSONExtract(ifNull(landed.customer, ''), 'id', 'Nullable(Int64)') AS customer_id,
    landed.created_at AS created_at,
    landed.updated_at AS updated_at,
    landed.completed_at AS completed_at,
    landed.closed_at AS closed_at,
    ifNull(landed.currency, '') AS currency,
    toDecimal64OrNull(toString(landed.subtotal_price), 4) AS subtotal_price,
    toDecimal64OrNull(toString(landed.total_discounts), 4) AS total_discounts,
    toDecimal64OrNull(toString(landed.total_tax), 4) AS total_tax,
    toDecimal64OrNull(toString(landed.total_price), 4) AS total_price,
    JSONExtract(ifNull(landed.line_items, ''), 'Array(Tuple(product_id Nullable(Int64), variant_id Nullable(Int64), sku Nullable(String), title Nullable(String), quantity Int64, price Nullable(Decimal(18, 4))))') AS line_items
FROM bronze.raw_shopify_abandoned_checkouts AS landed
WHERE landed.id IS NOT NULL
