-- kind: keyed
-- key: shop
-- order_by: shop
-- description: shops that Shopify asked us to forget (webhook shop/redact), and when last; what was extracted before that is in no table
-- owner: data
-- audit: unique(shop)
SELECT asked.group_id AS shop, max(asked.timestamp) AS redacted_at
FROM bronze.shopify_webhooks AS asked
WHERE asked.event = 'shop/redact'
GROUP BY shop
