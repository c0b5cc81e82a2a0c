-- kind: view
-- description: what Shopify says of its objects in documents of its own: webhooks, and files that were loaded. topic is that of the webhook
SELECT message_id AS raw_id, timestamp AS extracted_at, group_id AS shop, toString(event) AS topic, properties AS document
FROM bronze.shopify_webhooks
UNION ALL
SELECT document_id AS raw_id, extracted_at AS extracted_at, shop AS shop, stream AS topic, document AS document
FROM bronze.files_documents
WHERE system = 'shopify'
