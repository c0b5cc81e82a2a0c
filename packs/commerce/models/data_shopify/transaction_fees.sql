-- kind: view
-- description: what the payment provider kept of a transaction (Shopify Payments says it, others do not)
-- owner: data
-- audit: not_null(transaction_id), unique(transaction_id, id)
SELECT
    paid.id AS transaction_id, paid.order_id AS order_id, paid.shop AS shop, paid.created_at AS created_at, fee.id AS id, fee.type AS type, fee.rate_name AS rate_name, fee.rate AS rate,
    fee.flat_fee_name AS flat_fee_name, coalesce(tupleElement(tupleElement(fee, 'amount'), 'currency'), tupleElement(tupleElement(fee, 'amount'), 'currency_code')) AS currency,
    tupleElement(tupleElement(fee, 'amount'), 'amount') AS amount, tupleElement(tupleElement(fee, 'flat_fee'), 'amount') AS flat_fee,
    tupleElement(tupleElement(fee, 'tax_amount'), 'amount') AS tax_amount
FROM data_shopify.transactions AS paid
ARRAY JOIN fees AS fee
