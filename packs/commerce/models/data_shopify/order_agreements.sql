-- kind: view
-- description: what was agreed on for an order, sale by sale: the order itself, later edits, returns; amounts in the currency of the shop, returns below zero
-- owner: data
-- audit: not_null(agreement_id, sale_id), unique(order_id, agreement_id, sale_id)
SELECT
    order_id, shop, agreement_id, happened_at, reason, sale.id AS sale_id, sale.action_type AS action_type, sale.line_type AS line_type,
    tupleElement(sale.line_item, 'id') AS line_item_id, sale.quantity AS quantity,
    tupleElement(tupleElement(sale.total_amount, 'shop_money'), 'currency_code') AS currency,
    tupleElement(tupleElement(sale.total_amount, 'shop_money'), 'amount') AS total_amount,
    tupleElement(tupleElement(sale.total_discount_amount_before_taxes, 'shop_money'), 'amount') AS discount_before_taxes,
    tupleElement(tupleElement(sale.total_discount_amount_after_taxes, 'shop_money'), 'amount') AS discount_after_taxes,
    tupleElement(tupleElement(sale.total_tax_amount, 'shop_money'), 'amount') AS tax_amount
FROM
(
    SELECT known.order_id AS order_id, known.shop AS shop, agreed.id AS agreement_id, parseDateTime64BestEffortOrNull(agreed.happened_at, 6, 'UTC') AS happened_at,
        agreed.reason AS reason, tupleElement(agreed, 'sales') AS sales
    FROM staging.shopify_order_agreements AS known
    ARRAY JOIN agreements AS agreed
)
ARRAY JOIN sales AS sale
