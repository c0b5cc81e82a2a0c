-- table: bronze.shopify_webhooks
-- description: what was called and asked for of people and shops that Shopify says are to be forgotten: names, addresses, notes go, orders and their amounts stay; of a shop nothing stays
-- when: SELECT (SELECT (count(), max(redacted_at)) FROM staging.shopify_redacted_customers), (SELECT (count(), max(redacted_at)) FROM staging.shopify_redacted_shops), (SELECT count() FROM staging.shopify_orders WHERE customer_id IN (SELECT customer_id FROM staging.shopify_redacted_customers)), (SELECT count() FROM staging.shopify_checkouts WHERE customer_id IN (SELECT customer_id FROM staging.shopify_redacted_customers)), (SELECT count() FROM staging.shopify_customers WHERE id IN (SELECT customer_id FROM staging.shopify_redacted_customers))
WITH placed AS
(
    SELECT one.id AS id, one.raw_id AS raw_id FROM staging.shopify_orders AS one INNER JOIN staging.shopify_redacted_customers AS gone ON gone.customer_id = one.customer_id WHERE ifNull(one.created_at, gone.redacted_at) <= gone.redacted_at
),
people AS
(
    SELECT raw_id AS id FROM placed
    UNION ALL
    SELECT one.raw_id AS id FROM staging.shopify_refunds AS one WHERE one.order_id IN (SELECT id FROM placed)
    UNION ALL
    SELECT one.raw_id AS id FROM staging.shopify_objects AS one WHERE one.kind = 'order_transactions' AND JSONExtractInt(one.document, 'order_id') IN (SELECT id FROM placed)
    UNION ALL
    SELECT one.raw_id AS id FROM staging.shopify_checkouts AS one INNER JOIN staging.shopify_redacted_customers AS gone ON gone.customer_id = one.customer_id WHERE ifNull(one.created_at, gone.redacted_at) <= gone.redacted_at
    UNION ALL
    SELECT one.raw_id AS id FROM staging.shopify_customers AS one INNER JOIN staging.shopify_redacted_customers AS gone ON gone.customer_id = one.id WHERE tupleElement(one.version, 1) <= gone.redacted_at
    UNION ALL
    -- What the pack has no model of, and the requests themselves.
    SELECT one.message_id AS id FROM bronze.shopify_webhooks AS one
    WHERE NOT match(one.event, '^(orders|checkouts|customers|refunds|locations|inventory_items|inventory_levels|order_transactions|shop)/(create|update|updated|paid|cancelled|fulfilled|partially_fulfilled|enable|disable|connect|delete)$')
        AND JSONExtractInt(one.properties, 'customer', 'id') IN (SELECT customer_id FROM staging.shopify_redacted_customers)
),
shops AS
(
    SELECT one.message_id AS id FROM bronze.shopify_webhooks AS one INNER JOIN staging.shopify_redacted_shops AS gone ON gone.shop = one.group_id
    WHERE one.timestamp <= gone.redacted_at AND NOT match(one.event, '^(locations/|inventory_|(customers|shop)/(redact|data_request)$)')
)
SELECT message_id, said AS properties, texts
FROM
(
    SELECT
        message_id, body,
        arrayDistinct(arrayConcat(
            arrayFilter(one -> length(one) > 5, arrayConcat([JSONExtractString(body, 'note')], arrayMap(one -> JSONExtractString(one, 'value'), JSONExtractArrayRaw(body, 'note_attributes')))),
            arrayFilter(one -> length(one) > 2, arrayConcat([JSONExtractString(body, 'email'), JSONExtractString(body, 'contact_email'), JSONExtractString(body, 'phone')],
                arrayFlatten(arrayMap(one -> [JSONExtractString(one, 'email'), JSONExtractString(one, 'phone'), JSONExtractString(one, 'first_name'), JSONExtractString(one, 'last_name'), JSONExtractString(one, 'address1'), JSONExtractString(one, 'address2')],
                    arrayConcat(if(startsWith(topic, 'customers/'), [body], []),
                        [JSONExtractRaw(body, 'customer'), JSONExtractRaw(body, 'customer', 'default_address'), JSONExtractRaw(body, 'default_address'), JSONExtractRaw(body, 'billing_address'), JSONExtractRaw(body, 'shipping_address')],
                        JSONExtractArrayRaw(body, 'addresses'), JSONExtractArrayRaw(body, 'customer', 'addresses')))))))) AS texts,
        if(whole, '{}', concat('{', arrayStringConcat(arrayMap(one -> concat(toJSONString(one.1), ':', multiIf(
                one.1 = 'customer' AND startsWith(one.2, '{'), concat('{"id":', if(JSONHas(one.2, 'id'), JSONExtractRaw(one.2, 'id'), 'null'), '}'),
                one.1 IN ('line_items', 'fulfillments', 'refund_line_items', 'transactions') AND startsWith(one.2, '['), concat('[', arrayStringConcat(arrayMap(item -> concat('{', arrayStringConcat(
                    arrayMap(part -> concat(toJSONString(part.1), ':', if(part.1 = 'line_items' AND startsWith(part.2, '['), concat('[', arrayStringConcat(arrayMap(packed -> concat('{', arrayStringConcat(
                            arrayMap(kept -> concat(toJSONString(kept.1), ':', kept.2), arrayFilter(kept -> kept.1 IN ('id', 'sku', 'quantity'), JSONExtractKeysAndValuesRaw(packed))), ','), '}'), JSONExtractArrayRaw(part.2)), ','), ']'), part.2)),
                        arrayFilter(part -> part.1 NOT IN ('properties', 'origin_location', 'destination_location', 'destination', 'origin_address', 'receipt', 'email', 'line_item', 'payment_details', 'authorization', 'message'), JSONExtractKeysAndValuesRaw(item))),
                    ','), '}'), JSONExtractArrayRaw(one.2)), ','), ']'),
                one.2)),
            arrayFilter(one -> one.1 NOT IN ('email', 'contact_email', 'phone', 'first_name', 'last_name', 'note', 'note_attributes', 'addresses', 'default_address', 'billing_address', 'shipping_address', 'shipping_lines',
                    'client_details', 'browser_ip', 'receipt', 'authorization', 'message', 'order_status_url', 'payment_details', 'refunds', 'multipass_identifier', 'email_marketing_consent', 'sms_marketing_consent', 'accepts_marketing', 'metafield', 'source_identifier', 'company')
                AND NOT (one.1 = 'tags' AND startsWith(topic, 'customers/')), JSONExtractKeysAndValuesRaw(exact))), ','), '}')) AS said
    FROM
    (
        SELECT
            message_id, toString(event) AS topic, properties AS body, message_id IN (SELECT id FROM shops) AS whole,
            if(match(body, '[0-9.]{17}'), trimRight(replaceRegexpAll(body, '((?:[^"0-9-]|"(?:[^"\\\\]|\\\\.)*"|-?[0-9]+)*?)(-?[0-9]+(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)|$)', '\\1"\\2"'), '"'), body) AS exact
        FROM bronze.shopify_webhooks
        WHERE message_id IN (SELECT id FROM people UNION ALL SELECT id FROM shops)
    )
)
WHERE said != body
