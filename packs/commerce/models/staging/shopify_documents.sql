-- kind: view
-- description: what Shopify says of its objects in documents of its own: webhooks, and files that were loaded. topic is that of the webhook. Where decimals have 16 digits and more, they are strings here: a JSON reader makes floats of numbers, and the last digits are lost
-- owner: data
-- audit: not_null(raw_id, topic)
SELECT
    raw_id, extracted_at, shop, topic,
    if(match(body, '[0-9.]{17}'), trimRight(replaceRegexpAll(body, '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), body) AS document
FROM
(
    SELECT message_id AS raw_id, timestamp AS extracted_at, group_id AS shop, toString(event) AS topic, properties AS body
    FROM bronze.shopify_webhooks
    UNION ALL
    SELECT document_id AS raw_id, if(position(document, '"_airbyte_e') = 0, extracted_at, coalesce(parseDateTime64BestEffortOrNull(JSONExtract(document, '_airbyte_extracted_at', 'String'), 6, 'UTC'), parseDateTime64BestEffortOrNull(JSONExtract(document, '_airbyte_emitted_at', 'String'), 6, 'UTC'), extracted_at)) AS extracted_at, shop AS shop, stream AS topic, document AS body
    FROM bronze.files_documents
    WHERE system = 'shopify'
)
