-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of a refund, its JSON parsed once
-- owner: data
-- audit: unique(raw_id)
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
    JSONExtract(if(match(ifNull(landed.refund_line_items, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.refund_line_items, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.refund_line_items, '')), 'Array(Tuple(id Int64, line_item_id Int64, quantity Int64, restock_type Nullable(String), subtotal Nullable(Decimal(18, 4)), total_tax Nullable(Decimal(18, 4))))') AS refund_line_items,
    JSONExtract(if(match(ifNull(landed.transactions, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.transactions, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.transactions, '')), 'Array(Tuple(id Int64, kind String, status String, gateway Nullable(String), currency Nullable(String), amount Nullable(Decimal(18, 4))))') AS transactions,
    JSONExtract(if(match(ifNull(landed.order_adjustments, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.order_adjustments, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.order_adjustments, '')), 'Array(Tuple(id Int64, kind Nullable(String), reason Nullable(String), amount Nullable(Decimal(18, 4)), tax_amount Nullable(Decimal(18, 4))))') AS order_adjustments
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, shop_url,
        id, order_id, created_at, processed_at, note, restock, refund_line_items, transactions, order_adjustments
    FROM bronze.raw_shopify_order_refunds
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, toNullable(shop) AS shop_url,
        tupleElement(body, 'id') AS id, tupleElement(body, 'order_id') AS order_id,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'created_at'), 6, 'UTC') AS created_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'processed_at'), 6, 'UTC') AS processed_at, tupleElement(body, 'note') AS note,
        tupleElement(body, 'restock') AS restock, tupleElement(body, 'refund_line_items') AS refund_line_items,
        tupleElement(body, 'transactions') AS transactions, tupleElement(body, 'order_adjustments') AS order_adjustments
    FROM
    (
        SELECT raw_id, extracted_at, shop, topic, document,
            JSONExtract(document, 'Tuple(id Nullable(Int64), order_id Nullable(Int64), created_at Nullable(String), processed_at Nullable(String), note Nullable(String), restock Nullable(Bool), refund_line_items Nullable(String), transactions Nullable(String), order_adjustments Nullable(String))') AS body
        FROM staging.shopify_documents
        WHERE topic = 'refunds/create'
    )
) AS landed
WHERE landed.id IS NOT NULL
