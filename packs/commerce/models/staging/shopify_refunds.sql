-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of a refund, its JSON parsed once
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS id,
    (landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    ifNull(landed.shop_url, '') AS shop,
    ifNull(landed.order_id, 0) AS order_id,
    landed.created_at AS created_at,
    coalesce(landed.processed_at, landed.created_at) AS processed_at,
    landed.note AS note,
    ifNull(landed.restock, false) AS restock,
    JSONExtract(ifNull(landed.refund_line_items, ''), 'Array(Tuple(id Int64, line_item_id Int64, quantity Int64, restock_type Nullable(String), subtotal Nullable(Decimal(18, 4)), total_tax Nullable(Decimal(18, 4))))') AS refund_line_items,
    JSONExtract(ifNull(landed.transactions, ''), 'Array(Tuple(id Int64, kind String, status String, gateway Nullable(String), currency Nullable(String), amount Nullable(Decimal(18, 4))))') AS transactions,
    JSONExtract(ifNull(landed.order_adjustments, ''), 'Array(Tuple(id Int64, kind Nullable(String), reason Nullable(String), amount Nullable(Decimal(18, 4)), tax_amount Nullable(Decimal(18, 4))))') AS order_adjustments
FROM bronze.raw_shopify_order_refunds AS landed
WHERE landed.id IS NOT NULL
