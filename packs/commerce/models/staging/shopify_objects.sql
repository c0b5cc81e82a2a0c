-- kind: incremental
-- key: raw_id
-- order_by: kind, id, raw_id
-- description: every version of the objects whose tables read a document each: transactions, price rules, discount codes, countries, the shop, customer journeys and agreements of orders; rows of Postgres become the same documents.
-- owner: data
-- audit: not_null(id, version), unique(raw_id)
SELECT
    said.raw_id AS raw_id,
    said.kind AS kind,
    assumeNotNull(said.id) AS id,
    said.shop AS shop,
    (coalesce(said.updated_at, said.created_at, toDateTime64(0, 6, 'UTC')), said.extracted_at, said.raw_id) AS version,
    said.is_deleted AS is_deleted,
    if(match(said.document, '[0-9.]{17}'), trimRight(replaceRegexpAll(said.document, '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), said.document) AS document
FROM
(
    SELECT
        raw_id, extracted_at, shop, substring(topic, 1, position(topic, '/') - 1) AS kind, toBool(endsWith(topic, '/delete')) AS is_deleted,
        if(kind = 'customer_journey_summary', JSONExtract(document, 'order_id', 'Nullable(Int64)'), JSONExtract(document, 'id', 'Nullable(Int64)')) AS id,
        if(endsWith(topic, '/delete'), toNullable(extracted_at), parseDateTime64BestEffortOrNull(JSONExtractString(document, 'updated_at'), 6, 'UTC')) AS updated_at,
        parseDateTime64BestEffortOrNull(JSONExtractString(document, 'created_at'), 6, 'UTC') AS created_at, document
    FROM staging.shopify_documents
    WHERE substring(topic, 1, position(topic, '/') - 1) IN ('order_transactions', 'price_rules', 'discount_codes', 'countries', 'customer_journey_summary', 'order_agreements') OR topic = 'shop/update'
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'order_transactions' AS kind,
        false AS is_deleted, landed.id AS id, CAST(NULL, 'Nullable(DateTime64(6, \'UTC\'))') AS updated_at, landed.created_at AS created_at,
        concat(trimRight(toJSONString(CAST((landed.order_id, landed.parent_id, landed.kind, landed.status, landed.gateway, toString(landed.amount), landed.currency, landed.test, landed.error_code, landed.source_name, toString(landed.created_at), toString(landed.processed_at)), 'Tuple(order_id Nullable(Int64), parent_id Nullable(Int64), kind Nullable(String), status Nullable(String), gateway Nullable(String), amount Nullable(String), currency Nullable(String), test Nullable(Bool), error_code Nullable(String), source_name Nullable(String), created_at Nullable(String), processed_at Nullable(String))')), '}'), ', "payment_details": ', ifNull(landed.payment_details, 'null'), ', "fees": ', ifNull(landed.fees, 'null'), '}') AS document
    FROM bronze.raw_shopify_transactions AS landed
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'price_rules' AS kind,
        toBool(isNotNull(landed.deleted_at)) AS is_deleted, landed.id AS id, coalesce(landed.deleted_at, landed.updated_at) AS updated_at, landed.created_at AS created_at,
        toJSONString(CAST((landed.title, landed.value, landed.value_type, landed.target_type, landed.target_selection, landed.allocation_method, landed.customer_selection, landed.once_per_customer, landed.usage_limit, toString(landed.starts_at), toString(landed.ends_at), toString(landed.created_at), toString(landed.updated_at)), 'Tuple(title Nullable(String), value Nullable(String), value_type Nullable(String), target_type Nullable(String), target_selection Nullable(String), allocation_method Nullable(String), customer_selection Nullable(String), once_per_customer Nullable(Bool), usage_limit Nullable(Int64), starts_at Nullable(String), ends_at Nullable(String), created_at Nullable(String), updated_at Nullable(String))')) AS document
    FROM bronze.raw_shopify_price_rules AS landed
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'discount_codes' AS kind,
        false AS is_deleted, landed.id AS id, landed.updated_at AS updated_at, landed.created_at AS created_at,
        toJSONString(CAST((landed.price_rule_id, landed.code, landed.usage_count, toString(landed.created_at), toString(landed.updated_at)), 'Tuple(price_rule_id Nullable(Int64), code Nullable(String), usage_count Nullable(Int64), created_at Nullable(String), updated_at Nullable(String))')) AS document
    FROM bronze.raw_shopify_discount_codes AS landed
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'countries' AS kind,
        false AS is_deleted, landed.id AS id, CAST(NULL, 'Nullable(DateTime64(6, \'UTC\'))') AS updated_at, CAST(NULL, 'Nullable(DateTime64(6, \'UTC\'))') AS created_at,
        concat(trimRight(toJSONString(CAST((landed.code, landed.name, toString(landed.tax), landed.tax_name), 'Tuple(code Nullable(String), name Nullable(String), tax Nullable(String), tax_name Nullable(String))')), '}'), ', "provinces": ', ifNull(landed.provinces, 'null'), '}') AS document
    FROM bronze.raw_shopify_countries AS landed
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'shop' AS kind,
        false AS is_deleted, landed.id AS id, landed.updated_at AS updated_at, landed.created_at AS created_at,
        toJSONString(CAST((landed.name, landed.domain, landed.myshopify_domain, landed.email, landed.currency, landed.country_code, landed.iana_timezone, landed.plan_name, toString(landed.created_at), toString(landed.updated_at)), 'Tuple(name Nullable(String), domain Nullable(String), myshopify_domain Nullable(String), email Nullable(String), currency Nullable(String), country_code Nullable(String), iana_timezone Nullable(String), plan_name Nullable(String), created_at Nullable(String), updated_at Nullable(String))')) AS document
    FROM bronze.raw_shopify_shop AS landed
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'customer_journey_summary' AS kind,
        false AS is_deleted, landed.order_id AS id, landed.updated_at AS updated_at, landed.created_at AS created_at,
        concat('{"customer_journey_summary": ', ifNull(landed.customer_journey_summary, 'null'), '}') AS document
    FROM bronze.raw_shopify_customer_journey_summary AS landed
    UNION ALL
    SELECT
        landed._airbyte_raw_id AS raw_id, landed._airbyte_extracted_at AS extracted_at, ifNull(landed.shop_url, '') AS shop, 'order_agreements' AS kind,
        false AS is_deleted, landed.id AS id, landed.updated_at AS updated_at, landed.created_at AS created_at,
        concat('{"agreements": ', ifNull(landed.agreements, 'null'), '}') AS document
    FROM bronze.raw_shopify_order_agreements AS landed
) AS said
WHERE said.id IS NOT NULL
