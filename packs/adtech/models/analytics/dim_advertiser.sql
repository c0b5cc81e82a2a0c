-- kind: view
-- description: advertisers as they are now
-- audit: unique(advertiser_id)
SELECT id AS advertiser_id, name, updated_at, created_at
FROM bronze.advertiser
