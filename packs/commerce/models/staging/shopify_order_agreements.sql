-- kind: keyed
-- key: order_id
-- order_by: order_id
-- description: agreements of each order as they are now, nested as Shopify says them; data_shopify.order_agreements has them row by row
-- owner: data
-- audit: unique(order_id)
SELECT
    extracted.id AS order_id,
    argMax(extracted.shop, extracted.version) AS shop,
    argMax(extracted.document, extracted.version) AS said,
    JSONExtract(said, 'agreements', 'Array(Tuple(id Nullable(Int64), happened_at Nullable(String), reason Nullable(String), sales Array(Tuple(id Nullable(Int64), quantity Nullable(Int64), action_type Nullable(String), line_type Nullable(String), line_item Tuple(id Nullable(Int64)), total_amount Tuple(shop_money Tuple(amount Nullable(Decimal(18, 4)), currency_code Nullable(String))), total_discount_amount_before_taxes Tuple(shop_money Tuple(amount Nullable(Decimal(18, 4)), currency_code Nullable(String))), total_discount_amount_after_taxes Tuple(shop_money Tuple(amount Nullable(Decimal(18, 4)), currency_code Nullable(String))), total_tax_amount Tuple(shop_money Tuple(amount Nullable(Decimal(18, 4)), currency_code Nullable(String)))))))') AS agreements
FROM staging.shopify_objects AS extracted
LEFT JOIN staging.shopify_redacted_shops AS gone ON gone.shop = extracted.shop
WHERE extracted.kind = 'order_agreements' AND tupleElement(extracted.version, 2) > gone.redacted_at
GROUP BY order_id
HAVING NOT argMax(extracted.is_deleted, extracted.version)
