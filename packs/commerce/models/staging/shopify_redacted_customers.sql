-- kind: keyed
-- key: customer_id
-- order_by: customer_id
-- description: people Shopify asked us to forget (webhook customers/redact), and when last
-- owner: data
-- audit: unique(customer_id)
SELECT JSONExtractInt(asked.properties, 'customer', 'id') AS customer_id, max(asked.timestamp) AS redacted_at
FROM bronze.shopify_webhooks AS asked
WHERE asked.event = 'customers/redact'
GROUP BY customer_id
