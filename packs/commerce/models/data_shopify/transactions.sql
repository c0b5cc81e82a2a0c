-- kind: keyed
-- key: id
-- order_by: id
-- description: money that moved for orders: authorisations, captures, sales, refunds, as they are now
-- owner: data
-- audit: unique(id)
SELECT
    extracted.id AS id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.document, extracted.version) AS said,
    JSONExtract(said, 'order_id', 'Nullable(Int64)') AS order_id,
    JSONExtract(said, 'parent_id', 'Nullable(Int64)') AS parent_id,
    JSONExtract(said, 'kind', 'Nullable(String)') AS kind,
    JSONExtract(said, 'status', 'Nullable(String)') AS status,
    JSONExtract(said, 'gateway', 'Nullable(String)') AS gateway,
    JSONExtract(said, 'amount', 'Nullable(Decimal(18, 4))') AS amount,
    JSONExtract(said, 'currency', 'Nullable(String)') AS currency,
    JSONExtract(said, 'test', 'Nullable(Bool)') AS is_test,
    JSONExtract(said, 'error_code', 'Nullable(String)') AS error_code,
    JSONExtract(said, 'source_name', 'Nullable(String)') AS source_name,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'created_at'), 6, 'UTC') AS created_at,
    parseDateTime64BestEffortOrNull(JSONExtractString(said, 'processed_at'), 6, 'UTC') AS processed_at,
    JSONExtract(said, 'payment_details', 'credit_card_company', 'Nullable(String)') AS credit_card_company,
    JSONExtract(said, 'payment_details', 'credit_card_number', 'Nullable(String)') AS credit_card_number,
    JSONExtract(said, 'payment_details', 'cvv_result_code', 'Nullable(String)') AS cvv_result_code,
    JSONExtract(said, 'payment_details', 'avs_result_code', 'Nullable(String)') AS avs_result_code,
    JSONExtract(said, 'fees', 'Array(Tuple(id Nullable(String), type Nullable(String), rate_name Nullable(String), rate Nullable(Decimal(18, 9)), flat_fee_name Nullable(String), amount Tuple(amount Nullable(Decimal(18, 4)), currency Nullable(String), currency_code Nullable(String)), flat_fee Tuple(amount Nullable(Decimal(18, 4)), currency Nullable(String), currency_code Nullable(String)), tax_amount Tuple(amount Nullable(Decimal(18, 4)), currency Nullable(String), currency_code Nullable(String))))') AS fees
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'order_transactions' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
