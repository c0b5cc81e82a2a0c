-- kind: incremental
-- key: raw_id
-- order_by: id, raw_id
-- description: every extracted version of an order: money as Decimal, nested JSON parsed once into typed arrays. A higher version is newer: later changed, then later extracted
-- owner: data
-- audit: unique(raw_id)
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
    JSONExtract(if(match(ifNull(landed.total_shipping_price_set, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.total_shipping_price_set, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.total_shipping_price_set, '')), 'shop_money', 'amount', 'Nullable(Decimal(18, 4))') AS total_shipping,
    JSONExtract(if(match(ifNull(landed.line_items, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.line_items, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.line_items, '')), 'Array(Tuple(id Int64, product_id Nullable(Int64), variant_id Nullable(Int64), sku Nullable(String), title Nullable(String), variant_title Nullable(String), vendor Nullable(String), quantity Int64, price Nullable(Decimal(18, 4)), total_discount Nullable(Decimal(18, 4)), gift_card Bool, discount_allocations Array(Tuple(amount Nullable(Decimal(18, 4)), discount_application_index Int64)), tax_lines Array(Tuple(title Nullable(String), price Nullable(Decimal(18, 4)), rate Nullable(Float64)))))') AS line_items,
    JSONExtract(if(match(ifNull(landed.discount_codes, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.discount_codes, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.discount_codes, '')), 'Array(Tuple(code String, amount Nullable(Decimal(18, 4)), type Nullable(String)))') AS discount_codes,
    JSONExtract(if(match(ifNull(landed.tax_lines, ''), '[0-9.]{17}'), trimRight(replaceRegexpAll(ifNull(landed.tax_lines, ''), '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), ifNull(landed.tax_lines, '')), 'Array(Tuple(title Nullable(String), price Nullable(Decimal(18, 4)), rate Nullable(Float64)))') AS tax_lines,
    JSONExtract(ifNull(landed.note_attributes, ''), 'Array(Tuple(name String, value Nullable(String)))') AS note_attributes,
    JSONExtract(ifNull(landed.payment_gateway_names, ''), 'Array(String)') AS payment_gateways,
    JSONExtract(ifNull(landed.fulfillments, ''), 'Array(Tuple(id Int64, status Nullable(String), shipment_status Nullable(String), service Nullable(String), location_id Nullable(Int64), tracking_company Nullable(String), tracking_number Nullable(String), created_at Nullable(String), updated_at Nullable(String), line_items Array(Tuple(id Int64, sku Nullable(String), quantity Int64))))') AS fulfillments
FROM
(
    SELECT _airbyte_raw_id, _airbyte_extracted_at, shop_url,
        id, name, order_number, email, customer, created_at, updated_at, processed_at, cancelled_at, cancel_reason, currency, presentment_currency,
        financial_status, fulfillment_status, test, source_name, landing_site, referring_site, tags, total_line_items_price, total_discounts, subtotal_price,
        total_tax, total_price, total_shipping_price_set, line_items, discount_codes, tax_lines, note_attributes, payment_gateway_names, fulfillments,
        deleted_at
    FROM bronze.raw_shopify_orders
    UNION ALL
    SELECT raw_id AS _airbyte_raw_id, extracted_at AS _airbyte_extracted_at, toNullable(shop) AS shop_url,
        tupleElement(body, 'id') AS id, tupleElement(body, 'name') AS name, tupleElement(body, 'order_number') AS order_number,
        tupleElement(body, 'email') AS email, tupleElement(body, 'customer') AS customer,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'created_at'), 6, 'UTC') AS created_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'updated_at'), 6, 'UTC') AS updated_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'processed_at'), 6, 'UTC') AS processed_at,
        parseDateTime64BestEffortOrNull(tupleElement(body, 'cancelled_at'), 6, 'UTC') AS cancelled_at, tupleElement(body, 'cancel_reason') AS cancel_reason,
        tupleElement(body, 'currency') AS currency, tupleElement(body, 'presentment_currency') AS presentment_currency,
        tupleElement(body, 'financial_status') AS financial_status, tupleElement(body, 'fulfillment_status') AS fulfillment_status,
        tupleElement(body, 'test') AS test, tupleElement(body, 'source_name') AS source_name, tupleElement(body, 'landing_site') AS landing_site,
        tupleElement(body, 'referring_site') AS referring_site, tupleElement(body, 'tags') AS tags,
        tupleElement(body, 'total_line_items_price') AS total_line_items_price, tupleElement(body, 'total_discounts') AS total_discounts,
        tupleElement(body, 'subtotal_price') AS subtotal_price, tupleElement(body, 'total_tax') AS total_tax,
        tupleElement(body, 'total_price') AS total_price, tupleElement(body, 'total_shipping_price_set') AS total_shipping_price_set,
        tupleElement(body, 'line_items') AS line_items, tupleElement(body, 'discount_codes') AS discount_codes, tupleElement(body, 'tax_lines') AS tax_lines,
        tupleElement(body, 'note_attributes') AS note_attributes, tupleElement(body, 'payment_gateway_names') AS payment_gateway_names,
        tupleElement(body, 'fulfillments') AS fulfillments,
        if(topic = 'orders/delete', toNullable(extracted_at), NULL) AS deleted_at
    FROM
    (
        SELECT raw_id, extracted_at, shop, topic, document,
            JSONExtract(document, 'Tuple(id Nullable(Int64), name Nullable(String), order_number Nullable(Int64), email Nullable(String), customer Nullable(String), created_at Nullable(String), updated_at Nullable(String), processed_at Nullable(String), cancelled_at Nullable(String), cancel_reason Nullable(String), currency Nullable(String), presentment_currency Nullable(String), financial_status Nullable(String), fulfillment_status Nullable(String), test Nullable(Bool), source_name Nullable(String), landing_site Nullable(String), referring_site Nullable(String), tags Nullable(String), total_line_items_price Nullable(String), total_discounts Nullable(String), subtotal_price Nullable(String), total_tax Nullable(String), total_price Nullable(String), total_shipping_price_set Nullable(String), line_items Nullable(String), discount_codes Nullable(String), tax_lines Nullable(String), note_attributes Nullable(String), payment_gateway_names Nullable(String), fulfillments Nullable(String))') AS body
        FROM staging.shopify_documents
        WHERE topic IN ('orders/create', 'orders/updated', 'orders/paid', 'orders/cancelled', 'orders/fulfilled', 'orders/partially_fulfilled', 'orders/delete')
    )
) AS landed
WHERE landed.id IS NOT NULL
