-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of a checkout, its JSON parsed once
-- owner: data
-- audit: unique(raw_id)
SELECT
    landed._airbyte_raw_id AS raw_id,
    assumeNotNull(landed.id) AS id,
    (greatest(coalesce(landed.updated_at, landed.created_at, toDateTime64(0, 6, 'UTC')), coalesce(landed.deleted_at, toDateTime64(0, 6, 'UTC'))),
     landed._airbyte_extracted_at, landed._airbyte_raw_id) AS version,
    landed.deleted_at AS deleted_at,
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
    JSONExtract(if(match(ifNull(landed.line_items, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.line_items, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.line_items, '')), 'Array(Tuple(product_id Nullable(Int64), variant_id Nullable(Int64), sku Nullable(String), title Nullable(String), quantity Int64, price Nullable(Decimal(18, 4))))') AS line_items
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, shop_url,
        id, token, cart_token, email, customer, created_at, updated_at, completed_at, closed_at, currency, subtotal_price, total_discounts, total_tax,
        total_price, line_items,
        CAST(NULL, 'Nullable(DateTime64(6, \'UTC\'))') AS deleted_at
    FROM bronze.raw_shopify_abandoned_checkouts
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, toNullable(shop) AS shop_url,
        tupleElement(body, 'id') AS id, tupleElement(body, 'token') AS token, tupleElement(body, 'cart_token') AS cart_token,
        tupleElement(body, 'email') AS email, tupleElement(body, 'customer') AS customer,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'created_at'), 6, 'UTC') AS created_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'updated_at'), 6, 'UTC') AS updated_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'completed_at'), 6, 'UTC') AS completed_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'closed_at'), 6, 'UTC') AS closed_at, tupleElement(body, 'currency') AS currency,
        tupleElement(body, 'subtotal_price') AS subtotal_price, tupleElement(body, 'total_discounts') AS total_discounts,
        tupleElement(body, 'total_tax') AS total_tax, tupleElement(body, 'total_price') AS total_price, tupleElement(body, 'line_items') AS line_items,
        if(topic = 'checkouts/delete', toNullable(extracted_at), NULL) AS deleted_at
    FROM
    (
        SELECT raw_id, extracted_at, shop, topic, document,
            JSONExtract(document, 'Tuple(id Nullable(Int64), token Nullable(String), cart_token Nullable(String), email Nullable(String), customer Nullable(String), created_at Nullable(String), updated_at Nullable(String), completed_at Nullable(String), closed_at Nullable(String), currency Nullable(String), subtotal_price Nullable(String), total_discounts Nullable(String), total_tax Nullable(String), total_price Nullable(String), line_items Nullable(String))') AS body
        FROM staging.shopify_documents
        WHERE topic IN ('checkouts/create', 'checkouts/update', 'checkouts/delete')
    )
) AS landed
WHERE landed.id IS NOT NULL
