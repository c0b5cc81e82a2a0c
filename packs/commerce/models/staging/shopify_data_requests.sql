-- kind: incremental
-- key: message_id
-- description: people who asked their shop what is known of them (webhook customers/data_request), to be answered by whoever runs the shop
-- owner: data
-- audit: unique(message_id)
SELECT
    asked.message_id AS message_id, asked.timestamp AS requested_at, asked.group_id AS shop,
    JSONExtractInt(asked.properties, 'data_request', 'id') AS request_id,
    JSONExtractInt(asked.properties, 'customer', 'id') AS customer_id,
    JSONExtract(asked.properties, 'orders_requested', 'Array(Int64)') AS order_ids
FROM bronze.shopify_webhooks AS asked
WHERE asked.event = 'customers/data_request'
