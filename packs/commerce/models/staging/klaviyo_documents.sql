-- kind: view
-- description: what Klaviyo says of its objects in documents: called, asked for, and out of files (records of its API's pages). Where decimals have 16 digits and more, they are strings here: a JSON reader makes floats of numbers, and the last digits are lost
-- owner: data
-- audit: not_null(raw_id, kind)
SELECT
    raw_id, extracted_at, tupleElement(object, 'type') AS kind, tupleElement(object, 'id') AS id,
    tupleElement(object, 'attributes') AS attributes, tupleElement(object, 'relationships') AS relationships
FROM
(
    SELECT
        raw_id, extracted_at,
        JSONExtract(body, 'Tuple(type String, id Nullable(String), attributes Nullable(String), relationships Nullable(String))') AS object
    FROM
    (
        SELECT message_id AS raw_id, timestamp AS extracted_at, JSONExtractRaw(if(match(properties, '[0-9.]{17}'), trimRight(replaceRegexpAll(properties, '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), properties), 'data') AS body
        FROM bronze.klaviyo_webhooks
        UNION ALL
        SELECT document_id AS raw_id, if(position(document, '"_airbyte_e') = 0, extracted_at, coalesce(parseDateTime64BestEffortOrNull(JSONExtract(document, '_airbyte_extracted_at', 'String'), 6, 'UTC'), parseDateTime64BestEffortOrNull(JSONExtract(document, '_airbyte_emitted_at', 'String'), 6, 'UTC'), extracted_at)) AS extracted_at, if(match(document, '[0-9.]{17}'), trimRight(replaceRegexpAll(document, '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), document) AS body
        FROM bronze.files_documents
        WHERE system = 'klaviyo'
    )
)
