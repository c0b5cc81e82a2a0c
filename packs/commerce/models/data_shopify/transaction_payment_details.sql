-- kind: view
-- description: the cards transactions were paid with
-- owner: data
-- audit: unique(transaction_id)
SELECT id AS transaction_id, order_id, credit_card_company, credit_card_number, cvv_result_code, avs_result_code
FROM data_shopify.transactions
WHERE credit_card_company IS NOT NULL OR credit_card_number IS NOT NULL
