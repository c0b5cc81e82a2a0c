-- kind: keyed
-- key: order_id
-- order_by: order_id
-- description: what Shopify knows of the visits that led to an order: how many, how long from the first to the order, the first and the last; the visits themselves are in customer_journey_detail
-- owner: data
-- audit: unique(order_id)
SELECT
    extracted.id AS order_id,
    argMax(extracted.shop, extracted.version) AS shop,
    JSONExtractRaw(argMax(extracted.document, extracted.version), 'customer_journey_summary') AS said,
    toBool(JSONExtractBool(said, 'ready')) AS is_ready,
    JSONExtract(said, 'customer_order_index', 'Nullable(Int64)') AS customer_order_index,
    JSONExtract(said, 'days_to_conversion', 'Nullable(Int64)') AS days_to_conversion,
    JSONExtract(said, 'moments_count', 'count', 'Nullable(Int64)') AS visits,
    JSONExtract(said, 'first_visit', 'Tuple(id Nullable(Int64), landing_page Nullable(String), occurred_at Nullable(String), referral_code Nullable(String), referrer_url Nullable(String), source Nullable(String), source_type Nullable(String), source_description Nullable(String), utm_parameters Tuple(campaign Nullable(String), content Nullable(String), medium Nullable(String), source Nullable(String), term Nullable(String)))') AS first_visit,
    JSONExtract(said, 'last_visit', 'Tuple(id Nullable(Int64), landing_page Nullable(String), occurred_at Nullable(String), referral_code Nullable(String), referrer_url Nullable(String), source Nullable(String), source_type Nullable(String), source_description Nullable(String), utm_parameters Tuple(campaign Nullable(String), content Nullable(String), medium Nullable(String), source Nullable(String), term Nullable(String)))') AS last_visit
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'customer_journey_summary' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY order_id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
