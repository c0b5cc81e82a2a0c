-- What every model of the commerce pack must show, computed in Postgres from the landing tables alone and written
-- independently of the models. One query per model, after its name; columns in the model's order, or in that of the line
-- `-- select:`, which is what ClickHouse is asked for. test/harness/pack.mjs compares by value.

-- shared: temporary tables, made once
SET TIME ZONE 'UTC';
CREATE TEMP TABLE o AS SELECT * FROM (
  SELECT DISTINCT ON (id) * FROM raw_shopify.orders WHERE id IS NOT NULL
  ORDER BY id, greatest(coalesce(updated_at, created_at, 'epoch'), coalesce(deleted_at, 'epoch')) DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC
) AS newest WHERE deleted_at IS NULL;
CREATE TEMP TABLE r AS SELECT DISTINCT ON (id) * FROM raw_shopify.order_refunds WHERE id IS NOT NULL ORDER BY id, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE c AS SELECT * FROM (
  SELECT DISTINCT ON (id) * FROM raw_shopify.customers WHERE id IS NOT NULL
  ORDER BY id, greatest(coalesce(updated_at, created_at, 'epoch'), coalesce(deleted_at, 'epoch')) DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC
) AS newest WHERE deleted_at IS NULL;
CREATE TEMP TABLE k AS SELECT DISTINCT ON (id) * FROM raw_shopify.abandoned_checkouts WHERE id IS NOT NULL
  ORDER BY id, coalesce(updated_at, created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE refunded AS
  SELECT r.id AS refund_id, r.order_id, r.created_at, (item->>'id')::bigint AS id, (item->>'line_item_id')::bigint AS line_item_id, (item->>'quantity')::bigint AS quantity,
         item->>'restock_type' AS restock_type, (item->>'subtotal')::numeric AS subtotal, (item->>'total_tax')::numeric AS total_tax
  FROM r, jsonb_array_elements(refund_line_items) AS item;
CREATE TEMP TABLE lines AS
  SELECT o.id AS order_id, (item->>'id')::bigint AS id, o.created_at, o.currency, (o.customer->>'id')::bigint AS customer_id, o.test, (item->>'product_id')::bigint AS product_id,
         (item->>'variant_id')::bigint AS variant_id, item->>'sku' AS sku, item->>'title' AS title, item->>'variant_title' AS variant_title, item->>'vendor' AS vendor,
         (item->>'gift_card')::boolean AS gift_card, (item->>'quantity')::bigint AS quantity, (item->>'price')::numeric AS price,
         (SELECT coalesce(sum((one->>'amount')::numeric), 0) FROM jsonb_array_elements(item->'discount_allocations') AS one) AS discounts,
         (SELECT coalesce(sum((one->>'price')::numeric), 0) FROM jsonb_array_elements(item->'tax_lines') AS one) AS tax
  FROM o, jsonb_array_elements(line_items) AS item;
CREATE TEMP TABLE vals AS
  SELECT o.id, o.shop_url, o.currency, o.created_at, coalesce(o.processed_at, o.created_at) AS processed_at, (o.customer->>'id')::bigint AS customer_id, lower(o.email) AS email, o.cancelled_at IS NOT NULL AS cancelled,
         l.units, l.gross, l.discounts, coalesce((o.total_shipping_price_set->'shop_money'->>'amount')::numeric, 0) AS shipping, coalesce(o.total_tax, 0) AS tax, coalesce(o.total_price, 0) AS total,
         coalesce(b.returns, 0) AS returns, coalesce(b.units, 0) AS returned, l.gross - l.discounts - coalesce(b.returns, 0) AS net,
         CASE WHEN o.customer->>'id' IS NOT NULL THEN row_number() OVER (PARTITION BY o.customer->>'id' ORDER BY o.created_at, o.id) END AS place
  FROM o JOIN (SELECT order_id, sum(quantity) AS units, sum(price * quantity) AS gross, sum(discounts) AS discounts FROM lines GROUP BY order_id) AS l ON l.order_id = o.id
  LEFT JOIN (SELECT order_id, sum(subtotal) AS returns, sum(quantity) AS units FROM refunded GROUP BY order_id) AS b ON b.order_id = o.id
  WHERE NOT o.test;
CREATE TEMP TABLE e AS
  SELECT DISTINCT ON (id) id, datetime, relationships->'metric'->'data'->>'id' AS metric_id, relationships->'profile'->'data'->>'id' AS profile_id, attributes->'event_properties' AS p
  FROM raw_klaviyo.events WHERE id IS NOT NULL ORDER BY id, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE m AS SELECT DISTINCT ON (id) * FROM raw_klaviyo.metrics ORDER BY id, updated DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE campaign AS SELECT DISTINCT ON (id) * FROM raw_klaviyo.campaigns ORDER BY id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE person AS SELECT DISTINCT ON (id) * FROM raw_klaviyo.profiles ORDER BY id, updated DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE said AS
  SELECT e.id, e.profile_id, e.datetime, m.attributes->>'name' AS metric, m.attributes->'integration'->>'name' AS integration, (p->>'$value')::numeric AS value, coalesce(p->>'$value_currency', '') AS currency,
         coalesce(p->>'$message', '') AS message, coalesce(p->>'$flow', '') AS flow, coalesce(p->>'$attributed_message', '') AS credited, coalesce(p->>'$attributed_flow', '') AS credited_flow,
         coalesce(p->>'utm_source', '') AS utm_source, coalesce(p->>'utm_medium', '') AS utm_medium, coalesce(p->>'utm_campaign', '') AS utm_campaign,
         coalesce((p->>'Bot Click')::boolean, false) AS bot, coalesce((p->>'machine_open')::boolean, false) OR coalesce(p->>'Client Name', '') = 'Apple Mail Privacy' AS machine, coalesce(p->>'$event_id', '') AS order_id, e.p
  FROM e LEFT JOIN m ON m.id = e.metric_id;
CREATE INDEX ON said (profile_id);
CREATE TEMP TABLE messages AS
  SELECT id AS campaign_id, id AS message FROM campaign UNION
  SELECT id, one->>'id' FROM campaign, jsonb_array_elements(relationships->'campaign-messages'->'data') AS one;
CREATE TEMP TABLE hit AS
  SELECT DISTINCT ON (event_date, stream_id, user_pseudo_id, event_name, event_timestamp, event_params) *,
    (SELECT (one->'value'->>'int_value')::bigint FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'ga_session_id') AS session,
    (SELECT coalesce(one->'value'->>'string_value', one->'value'->>'int_value') = '1' FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'session_engaged') AS engaged,
    (SELECT (one->'value'->>'int_value')::bigint FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'engagement_time_msec') AS engagement,
    (SELECT one->'value'->>'string_value' FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'page_location') AS page,
    (SELECT one->'value'->>'string_value' FROM jsonb_array_elements(event_params) AS one WHERE one->>'key' = 'currency') AS currency,
    to_timestamp(event_timestamp / 1000000) + event_timestamp % 1000000 * interval '1 microsecond' AS at,
    coalesce(collected_traffic_source->>'manual_source', '') AS source, coalesce(collected_traffic_source->>'manual_medium', '') AS medium, coalesce(collected_traffic_source->>'manual_campaign_name', '') AS campaign,
    CASE WHEN ecommerce->>'transaction_id' NOT IN ('', '(not set)') THEN ecommerce->>'transaction_id' END AS transaction, (ecommerce->>'purchase_revenue')::numeric AS revenue
  FROM raw_ga4.events ORDER BY event_date, stream_id, user_pseudo_id, event_name, event_timestamp, event_params, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE INDEX ON hit (user_pseudo_id, session);
ANALYZE hit;
CREATE TEMP TABLE visit AS
  SELECT v.*, step4.at AS bought_at, step3.at AS checkout_at, step2.at AS cart_at FROM (
    SELECT user_pseudo_id, session, min(at) AS started, max(at) AS ended, count(*) AS events, count(*) FILTER (WHERE event_name = 'page_view') AS views, bool_or(coalesce(engaged, false)) AS engaged,
      sum(coalesce(engagement, 0)) AS engagement, bool_or(event_name = 'first_visit') AS is_new, min(device->>'category') AS category, min(geo->>'country') AS country,
      coalesce((array_agg(source ORDER BY at) FILTER (WHERE source NOT IN ('', '(not set)')))[1], '(direct)') AS source,
      coalesce((array_agg(medium ORDER BY at) FILTER (WHERE source NOT IN ('', '(not set)')))[1], '(none)') AS medium,
      coalesce((array_agg(campaign ORDER BY at) FILTER (WHERE source NOT IN ('', '(not set)')))[1], '') AS campaign,
      min(page) AS landing, count(DISTINCT coalesce(transaction, event_timestamp::text)) FILTER (WHERE event_name = 'purchase') AS purchases,
      coalesce(max(currency) FILTER (WHERE event_name = 'purchase'), '') AS currency, min(at) FILTER (WHERE event_name = 'view_item') AS view_at
    FROM hit WHERE session IS NOT NULL AND user_pseudo_id <> '' GROUP BY user_pseudo_id, session) AS v
  LEFT JOIN LATERAL (SELECT min(at) AS at FROM hit WHERE (hit.user_pseudo_id, hit.session) = (v.user_pseudo_id, v.session) AND event_name = 'add_to_cart' AND at >= v.view_at) AS step2 ON true
  LEFT JOIN LATERAL (SELECT min(at) AS at FROM hit WHERE (hit.user_pseudo_id, hit.session) = (v.user_pseudo_id, v.session) AND event_name = 'begin_checkout' AND at >= step2.at) AS step3 ON true
  LEFT JOIN LATERAL (SELECT min(at) AS at FROM hit WHERE (hit.user_pseudo_id, hit.session) = (v.user_pseudo_id, v.session) AND event_name = 'purchase' AND at >= step3.at) AS step4 ON true;
CREATE TEMP TABLE paid AS
  SELECT user_pseudo_id, session, sum(revenue) AS revenue FROM (
    SELECT DISTINCT user_pseudo_id, session, coalesce(transaction, event_timestamp::text) AS transaction, coalesce(revenue, 0) AS revenue FROM hit WHERE event_name = 'purchase') AS once
  GROUP BY user_pseudo_id, session;

CREATE TEMP TABLE money AS SELECT DISTINCT ON (id) * FROM raw_shopify.transactions WHERE id IS NOT NULL ORDER BY id, coalesce(created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE rule AS SELECT * FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.price_rules WHERE id IS NOT NULL ORDER BY id, coalesce(deleted_at, updated_at, created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest WHERE deleted_at IS NULL;
CREATE TEMP TABLE journey AS SELECT DISTINCT ON (order_id) * FROM raw_shopify.customer_journey_summary WHERE order_id IS NOT NULL ORDER BY order_id, coalesce(updated_at, created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC;
CREATE TEMP TABLE agreed AS SELECT o.id AS order_id, o.shop_url, one.value AS one FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.order_agreements WHERE id IS NOT NULL ORDER BY id, coalesce(updated_at, created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS o, jsonb_array_elements(agreements) AS one;

CREATE TEMP TABLE instants AS SELECT * FROM (VALUES ('created_at'), ('processed_at')) AS one (instant);
CREATE TEMP TABLE days AS SELECT instant, date, currency, count(id) AS orders, coalesce(sum(gross), 0) AS gross, coalesce(sum(discounts), 0) AS discounts, sum(back) AS returns, coalesce(sum(gross), 0) - coalesce(sum(discounts), 0) - sum(back) AS net,
  coalesce(sum(shipping), 0) AS shipping, coalesce(sum(tax), 0) AS tax, coalesce(sum(units), 0) AS units, sum(back_units) AS returned, CASE WHEN count(id) > 0 THEN (sum(gross) - sum(discounts))::float8 / count(id) END AS mean, count(*) FILTER (WHERE place = 1) AS first, count(*) FILTER (WHERE place > 1) AS later
FROM (SELECT instant, (CASE instant WHEN 'created_at' THEN created_at ELSE processed_at END)::date AS date, currency, id, gross, discounts, shipping, tax, units, place, 0 AS back, 0 AS back_units FROM vals, instants
      UNION ALL SELECT instant, (CASE instant WHEN 'created_at' THEN r.created_at ELSE r.processed_at END)::date, o.currency, NULL, NULL, NULL, NULL, NULL, NULL, NULL, (SELECT sum((one->>'subtotal')::numeric) FROM jsonb_array_elements(refund_line_items) AS one), (SELECT sum((one->>'quantity')::bigint) FROM jsonb_array_elements(refund_line_items) AS one) FROM instants, r JOIN o ON o.id = r.order_id WHERE NOT o.test) AS entry
GROUP BY instant, date, currency;

-- model: staging.shopify_redacted_customers
SELECT NULL, NULL WHERE false

-- model: staging.shopify_redacted_shops
SELECT NULL, NULL WHERE false

-- model: staging.shopify_data_requests
SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE false

-- model: staging.shopify_documents
SELECT NULL, NULL, NULL, NULL, NULL WHERE false

-- model: staging.shopify_objects
-- select: raw_id, kind, id, shop, is_deleted
SELECT _airbyte_raw_id, 'order_transactions', id, shop_url, false FROM raw_shopify.transactions WHERE id IS NOT NULL
  UNION ALL SELECT _airbyte_raw_id, 'price_rules', id, shop_url, deleted_at IS NOT NULL FROM raw_shopify.price_rules WHERE id IS NOT NULL
  UNION ALL SELECT _airbyte_raw_id, 'discount_codes', id, shop_url, false FROM raw_shopify.discount_codes WHERE id IS NOT NULL
  UNION ALL SELECT _airbyte_raw_id, 'countries', id, shop_url, false FROM raw_shopify.countries WHERE id IS NOT NULL
  UNION ALL SELECT _airbyte_raw_id, 'shop', id, shop_url, false FROM raw_shopify.shop WHERE id IS NOT NULL
  UNION ALL SELECT _airbyte_raw_id, 'customer_journey_summary', order_id, shop_url, false FROM raw_shopify.customer_journey_summary WHERE order_id IS NOT NULL
  UNION ALL SELECT _airbyte_raw_id, 'order_agreements', id, shop_url, false FROM raw_shopify.order_agreements WHERE id IS NOT NULL

-- model: staging.klaviyo_documents
SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE false

-- model: staging.shopify_order_agreements
-- select: order_id, shop, agreements[1].id, length(agreements[1].sales)
SELECT order_id, shop_url, (one->>'id')::bigint, jsonb_array_length(one->'sales') FROM agreed WHERE one->>'reason' = 'order'

-- model: data_shopify.transactions
-- select: id, shop, order_id, parent_id, kind, status, gateway, amount, currency, is_test, error_code, source_name, created_at, processed_at, credit_card_company, credit_card_number, length(fees)
SELECT id, shop_url, order_id, parent_id, kind, status, gateway, amount, currency, test, error_code, source_name, created_at, processed_at, payment_details->>'credit_card_company', payment_details->>'credit_card_number', jsonb_array_length(fees) FROM money

-- model: data_shopify.transaction_payment_details
SELECT id, order_id, payment_details->>'credit_card_company', payment_details->>'credit_card_number', payment_details->>'cvv_result_code', payment_details->>'avs_result_code' FROM money WHERE payment_details->>'credit_card_company' IS NOT NULL

-- model: data_shopify.transaction_fees
SELECT money.id, order_id, shop_url, created_at, fee->>'id', fee->>'type', fee->>'rate_name', (fee->>'rate')::numeric, fee->>'flat_fee_name', fee->'amount'->>'currency', (fee->'amount'->>'amount')::numeric, (fee->'flat_fee'->>'amount')::numeric, (fee->'tax_amount'->>'amount')::numeric
FROM money, jsonb_array_elements(fees) AS fee

-- model: data_shopify.price_rules
-- select: id, shop, title, value_type, value, target_type, target_selection, allocation_method, customer_selection, once_per_customer, usage_limit, starts_at, ends_at, created_at, updated_at
SELECT id, shop_url, title, value_type, value::numeric, target_type, target_selection, allocation_method, customer_selection, once_per_customer, usage_limit, starts_at, ends_at, created_at, updated_at FROM rule

-- model: data_shopify.discount_codes
-- select: id, shop, price_rule_id, code, usage_count, created_at, updated_at
SELECT id, shop_url, price_rule_id, code, usage_count, created_at, updated_at FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.discount_codes WHERE id IS NOT NULL ORDER BY id, coalesce(updated_at, created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_shopify.countries
-- select: id, shop, code, name, tax, tax_name
SELECT id, shop_url, code, name, tax, tax_name FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.countries WHERE id IS NOT NULL ORDER BY id, 'epoch'::timestamptz DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_shopify.shop
-- select: id, shop, name, domain, myshopify_domain, email, currency, country_code, iana_timezone, plan_name, created_at, updated_at
SELECT id, shop_url, name, domain, myshopify_domain, email, currency, country_code, iana_timezone, plan_name, created_at, updated_at FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.shop WHERE id IS NOT NULL ORDER BY id, coalesce(updated_at, created_at, 'epoch') DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_shopify.customer_journey_summary
-- select: order_id, shop, is_ready, customer_order_index, days_to_conversion, visits, first_visit.id, last_visit.source
SELECT order_id, shop_url, (customer_journey_summary->>'ready')::boolean, (customer_journey_summary->>'customer_order_index')::bigint, (customer_journey_summary->>'days_to_conversion')::bigint, (customer_journey_summary->'moments_count'->>'count')::bigint,
  (customer_journey_summary->'first_visit'->>'id')::bigint, customer_journey_summary->'last_visit'->>'source' FROM journey

-- model: data_shopify.customer_journey_detail
SELECT order_id, shop_url, 'first', (customer_journey_summary->'first_visit'->>'occurred_at')::timestamptz, (customer_journey_summary->'first_visit'->>'id')::bigint, customer_journey_summary->'first_visit'->>'landing_page', customer_journey_summary->'first_visit'->>'referral_code', customer_journey_summary->'first_visit'->>'referrer_url', customer_journey_summary->'first_visit'->>'source', customer_journey_summary->'first_visit'->>'source_type', customer_journey_summary->'first_visit'->>'source_description', customer_journey_summary->'first_visit'->'utm_parameters'->>'source', customer_journey_summary->'first_visit'->'utm_parameters'->>'medium', customer_journey_summary->'first_visit'->'utm_parameters'->>'campaign', customer_journey_summary->'first_visit'->'utm_parameters'->>'content', customer_journey_summary->'first_visit'->'utm_parameters'->>'term' FROM journey WHERE customer_journey_summary->'first_visit'->>'id' IS NOT NULL
UNION ALL SELECT order_id, shop_url, 'last', (customer_journey_summary->'last_visit'->>'occurred_at')::timestamptz, (customer_journey_summary->'last_visit'->>'id')::bigint, customer_journey_summary->'last_visit'->>'landing_page', customer_journey_summary->'last_visit'->>'referral_code', customer_journey_summary->'last_visit'->>'referrer_url', customer_journey_summary->'last_visit'->>'source', customer_journey_summary->'last_visit'->>'source_type', customer_journey_summary->'last_visit'->>'source_description', customer_journey_summary->'last_visit'->'utm_parameters'->>'source', customer_journey_summary->'last_visit'->'utm_parameters'->>'medium', customer_journey_summary->'last_visit'->'utm_parameters'->>'campaign', customer_journey_summary->'last_visit'->'utm_parameters'->>'content', customer_journey_summary->'last_visit'->'utm_parameters'->>'term' FROM journey WHERE customer_journey_summary->'last_visit'->>'id' IS NOT NULL

-- model: data_shopify.order_agreements
SELECT order_id, shop_url, (one->>'id')::bigint, (one->>'happened_at')::timestamptz, one->>'reason', (sale->>'id')::bigint, sale->>'action_type', sale->>'line_type', (sale->'line_item'->>'id')::bigint, (sale->>'quantity')::bigint,
  sale->'total_amount'->'shop_money'->>'currency_code', (sale->'total_amount'->'shop_money'->>'amount')::numeric, (sale->'total_discount_amount_before_taxes'->'shop_money'->>'amount')::numeric,
  (sale->'total_discount_amount_after_taxes'->'shop_money'->>'amount')::numeric, (sale->'total_tax_amount'->'shop_money'->>'amount')::numeric
FROM agreed, jsonb_array_elements(one->'sales') AS sale

-- model: data_shopify.inventory_quantities
SELECT inventory_item_id, location_id, one->>'name', (one->>'quantity')::bigint, coalesce((one->>'updatedAt')::timestamptz, updated_at)
FROM (SELECT DISTINCT ON (inventory_item_id, location_id) * FROM raw_shopify.inventory_levels ORDER BY inventory_item_id, location_id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest, jsonb_array_elements(quantities) AS one

-- model: analytics_commerce.customer_visitors
SELECT customer_id, who, count(DISTINCT order_id), bool_or(known), min(at), max(at), (SELECT count(*) FROM visit WHERE user_pseudo_id = who)
FROM (SELECT vals.customer_id, hit.user_pseudo_id AS who, vals.id AS order_id, false AS known, hit.at FROM vals JOIN hit ON hit.event_name = 'purchase' AND hit.transaction = vals.id::text WHERE vals.customer_id IS NOT NULL AND hit.user_pseudo_id <> ''
      UNION ALL SELECT c.id, hit.user_pseudo_id, NULL, true, hit.at FROM hit JOIN c ON c.id::text = hit.user_id WHERE hit.user_pseudo_id <> '') AS matched GROUP BY 1, 2

-- model: data_shopify.fulfillments
SELECT (one->>'id')::bigint, o.id, one->>'status', one->>'shipment_status', one->>'service', (one->>'location_id')::bigint, one->>'tracking_company', one->>'tracking_number', (one->>'created_at')::timestamptz, (one->>'updated_at')::timestamptz FROM o, jsonb_array_elements(fulfillments) AS one

-- model: data_shopify.fulfillment_line_items
SELECT (one->>'id')::bigint, o.id, (item->>'id')::bigint, item->>'sku', (item->>'quantity')::bigint FROM o, jsonb_array_elements(fulfillments) AS one, jsonb_array_elements(one->'line_items') AS item

-- model: analytics_klaviyo.segment_history
SELECT day, CASE WHEN NOT consent THEN 'Non-Subscribers' WHEN last > day - 30 THEN 'Active Subscribers' WHEN last > day - 90 THEN 'Engaged Subscribers' ELSE 'Inactive Subscribers' END, count(*)
FROM (SELECT day::date AS day, attributes->'subscriptions'->'email'->'marketing'->>'consent' = 'SUBSCRIBED' AS consent,
    (SELECT max(datetime::date) FROM said WHERE profile_id = person.id AND datetime::date <= day AND metric IN ('Opened Email', 'Clicked Email', 'Active on Site', 'Viewed Product', 'Checkout Started', 'Placed Order') AND NOT bot AND NOT machine) AS last
  FROM person CROSS JOIN generate_series((SELECT min(datetime::date) FROM e), (SELECT max(datetime::date) FROM e), interval '1 day') AS day
  WHERE day::date >= coalesce((attributes->>'created')::timestamptz::date, day::date)) AS one GROUP BY 1, 2

-- model: staging.shopify_orders
-- select: raw_id, id, email, customer_id, total_price, total_shipping, length(line_items), arraySum(one -> ifNull(one.price, 0), line_items), payment_gateways[1]
SELECT _airbyte_raw_id, id, lower(email), (customer->>'id')::bigint, total_price, total_shipping_price_set->'shop_money'->>'amount', coalesce(jsonb_array_length(line_items), 0), (SELECT coalesce(sum((one->>'price')::numeric), 0) FROM jsonb_array_elements(line_items) AS one), coalesce(payment_gateway_names->>0, '') FROM raw_shopify.orders WHERE id IS NOT NULL

-- model: staging.shopify_refunds
-- select: raw_id, id, order_id, length(refund_line_items), arraySum(one -> ifNull(one.subtotal, 0), refund_line_items), transactions[1].amount
SELECT _airbyte_raw_id, id, order_id, jsonb_array_length(refund_line_items), (SELECT sum((one->>'subtotal')::numeric) FROM jsonb_array_elements(refund_line_items) AS one), transactions->0->>'amount' FROM raw_shopify.order_refunds

-- model: staging.shopify_customers
-- select: raw_id, id, email, first_name, total_spent, accepts_marketing, addresses[1].city
SELECT _airbyte_raw_id, id, lower(email), first_name, total_spent, email_marketing_consent->>'state' = 'subscribed', addresses->0->>'city' FROM raw_shopify.customers

-- model: staging.shopify_checkouts
-- select: raw_id, id, email, total_price, completed_at, line_items[1].sku
SELECT _airbyte_raw_id, id, lower(email), total_price, completed_at, line_items->0->>'sku' FROM raw_shopify.abandoned_checkouts

-- model: staging.klaviyo_events
-- select: raw_id, event_id, metric_id, profile_id, value
SELECT _airbyte_raw_id, id, relationships->'metric'->'data'->>'id', relationships->'profile'->'data'->>'id', (attributes->'event_properties'->>'$value')::numeric FROM raw_klaviyo.events

-- model: staging.klaviyo_profiles
-- select: raw_id, profile_id, email, historic_clv, country
SELECT _airbyte_raw_id, id, lower(attributes->>'email'), (attributes->'predictive_analytics'->>'historic_clv')::numeric, attributes->'location'->>'country' FROM raw_klaviyo.profiles

-- model: staging.ga4_events
-- select: raw_id, event_date, event_name, user_pseudo_id, purchase_revenue, length(params)
SELECT _airbyte_raw_id, to_date(event_date, 'YYYYMMDD'), event_name, user_pseudo_id, ecommerce->>'purchase_revenue', jsonb_array_length(event_params) FROM raw_ga4.events

-- model: data_shopify.orders
-- select: id, shop, name, order_number, email, customer_id, created_at, updated_at, processed_at, cancelled_at, cancel_reason, currency, financial_status, fulfillment_status, is_test, source_name, total_line_items_price, total_discounts, subtotal_price, total_tax, total_price, total_shipping
SELECT id, shop_url, name, order_number, lower(email), (customer->>'id')::bigint, created_at, updated_at, processed_at, cancelled_at, cancel_reason, currency, financial_status, fulfillment_status, test, source_name, total_line_items_price, total_discounts, subtotal_price, total_tax, total_price, (total_shipping_price_set->'shop_money'->>'amount')::numeric FROM o

-- model: data_shopify.customers
-- select: id, shop, email, first_name, last_name, state, created_at, updated_at, orders_count, total_spent, currency, accepts_marketing
SELECT id, shop_url, lower(email), first_name, last_name, state, created_at, updated_at, orders_count, total_spent, currency, email_marketing_consent->>'state' = 'subscribed' FROM c

-- model: data_shopify.order_refunds
-- select: id, order_id, created_at, processed_at, restock, refunded_subtotal, refunded_tax, refunded_units, adjusted, paid_back
SELECT id, order_id, created_at, processed_at, restock, (SELECT sum((one->>'subtotal')::numeric) FROM jsonb_array_elements(refund_line_items) AS one), (SELECT sum((one->>'total_tax')::numeric) FROM jsonb_array_elements(refund_line_items) AS one), (SELECT sum((one->>'quantity')::bigint) FROM jsonb_array_elements(refund_line_items) AS one), (SELECT coalesce(sum((one->>'amount')::numeric), 0) FROM jsonb_array_elements(order_adjustments) AS one), (SELECT coalesce(sum((one->>'amount')::numeric), 0) FROM jsonb_array_elements(transactions) AS one) FROM r

-- model: data_shopify.abandoned_checkouts
-- select: id, shop, token, email, customer_id, created_at, updated_at, completed_at, currency, subtotal_price, total_discounts, total_tax, total_price
SELECT id, shop_url, token, lower(email), (customer->>'id')::bigint, created_at, updated_at, completed_at, currency, subtotal_price, total_discounts, total_tax, total_price FROM k

-- model: data_shopify.order_line_items
SELECT order_id, id, created_at, currency, customer_id, test, product_id, variant_id, sku, title, variant_title, vendor, gift_card, quantity, price, price * quantity, discounts, tax, coalesce((SELECT sum(quantity) FROM refunded WHERE (refunded.order_id, line_item_id) = (lines.order_id, lines.id)), 0) FROM lines

-- model: data_shopify.order_discount
SELECT id, created_at, currency, one->>'code', one->>'type', (one->>'amount')::numeric FROM o, jsonb_array_elements(discount_codes) AS one

-- model: data_shopify.order_tax_lines
SELECT id, currency, one->>'title', (one->>'rate')::float8, (one->>'price')::numeric FROM o, jsonb_array_elements(tax_lines) AS one

-- model: data_shopify.order_note_attributes
SELECT id, one->>'name', one->>'value' FROM o, jsonb_array_elements(note_attributes) AS one

-- model: data_shopify.order_payment_gateway
SELECT id, one FROM o, jsonb_array_elements_text(payment_gateway_names) AS one

-- model: data_shopify.order_refund_line_items
SELECT refund_id, id, order_id, line_item_id, created_at, quantity, restock_type, subtotal, total_tax FROM refunded

-- model: data_shopify.order_refund_transactions
SELECT r.id, (one->>'id')::bigint, order_id, created_at, one->>'kind', one->>'status', one->>'gateway', one->>'currency', (one->>'amount')::numeric FROM r, jsonb_array_elements(transactions) AS one

-- model: data_shopify.order_refund_adjustments
SELECT r.id, (one->>'id')::bigint, order_id, created_at, one->>'kind', one->>'reason', (one->>'amount')::numeric, (one->>'tax_amount')::numeric FROM r, jsonb_array_elements(order_adjustments) AS one

-- model: data_shopify.customer_address
SELECT c.id, (one->>'id')::bigint, (one->>'default')::boolean, one->>'address1', one->>'city', one->>'province', one->>'province_code', one->>'zip', one->>'country', one->>'country_code' FROM c, jsonb_array_elements(addresses) AS one

-- model: data_shopify.abandoned_checkout_line_items
SELECT k.id, created_at, currency, (one->>'product_id')::bigint, (one->>'variant_id')::bigint, one->>'sku', one->>'title', (one->>'quantity')::bigint, (one->>'price')::numeric FROM k, jsonb_array_elements(line_items) AS one

-- model: data_shopify.locations
SELECT id, name, city, country_code, active FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.locations ORDER BY id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest WHERE deleted_at IS NULL

-- model: data_shopify.inventory_items
SELECT id, sku, cost, currency_code, tracked FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.inventory_items ORDER BY id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_shopify.inventory_levels
-- select: inventory_item_id, location_id, available, updated_at
SELECT inventory_item_id, location_id, available, updated_at FROM (SELECT DISTINCT ON (inventory_item_id, location_id) * FROM raw_shopify.inventory_levels ORDER BY inventory_item_id, location_id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_klaviyo.events
-- select: event_id, metric_id, profile_id, datetime, value, value_currency, message_id, attributed_message_id, campaign_name, product_name, device, page, is_bot, is_machine_open, order_id
SELECT id, metric_id, profile_id, datetime, value, currency, message, credited, coalesce(p->>'Campaign Name', ''), coalesce(p->>'Product Name', ''), coalesce(p->>'Client Type', ''), coalesce(p->>'page', ''), bot, machine, order_id FROM said JOIN e USING (id, profile_id, datetime, p)

-- model: data_klaviyo.profiles
-- select: profile_id, email, external_id, first_name, last_name, created_at, updated_at, country, city, accepts_marketing, historic_clv, predicted_clv, churn_probability, historic_orders, last_event_at
SELECT id, lower(attributes->>'email'), attributes->>'external_id', attributes->>'first_name', attributes->>'last_name', (attributes->>'created')::timestamptz, updated, attributes->'location'->>'country', attributes->'location'->>'city', attributes->'subscriptions'->'email'->'marketing'->>'consent' = 'SUBSCRIBED', (attributes->'predictive_analytics'->>'historic_clv')::numeric, (attributes->'predictive_analytics'->>'predicted_clv')::numeric, trunc((attributes->'predictive_analytics'->>'churn_probability')::numeric, 9), (attributes->'predictive_analytics'->>'historic_number_of_orders')::bigint, (attributes->>'last_event_date')::timestamptz FROM person

-- model: data_klaviyo.metrics
-- select: metric_id, name, integration, integration_category
SELECT id, attributes->>'name', attributes->'integration'->>'name', attributes->'integration'->>'category' FROM m

-- model: data_klaviyo.campaigns
-- select: campaign_id, name, status, send_time, message_ids[1]
SELECT id, attributes->>'name', attributes->>'status', (attributes->>'send_time')::timestamptz, relationships->'campaign-messages'->'data'->0->>'id' FROM campaign

-- model: data_klaviyo.flows
-- select: flow_id, name, status, trigger_type
SELECT id, attributes->>'name', attributes->>'status', attributes->>'trigger_type' FROM (SELECT DISTINCT ON (id) * FROM raw_klaviyo.flows ORDER BY id, updated DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_klaviyo.lists
-- select: list_id, name, opt_in_process, created_at
SELECT id, attributes->>'name', attributes->>'opt_in_process', (attributes->>'created')::timestamptz FROM (SELECT DISTINCT ON (id) * FROM raw_klaviyo.lists ORDER BY id, updated DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.website_overview
SELECT property_id, to_date(date, 'YYYYMMDD'), "totalUsers", "newUsers", sessions, "sessionsPerUser", nullif("averageSessionDuration", 'NaN'), "screenPageViews", "screenPageViewsPerSession", nullif("bounceRate", 'NaN') FROM (SELECT DISTINCT ON (property_id, date) * FROM raw_ga4.website_overview ORDER BY property_id, date, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.pages
SELECT property_id, to_date(date, 'YYYYMMDD'), "hostName", "pagePathPlusQueryString", "screenPageViews", nullif("bounceRate", 'NaN') FROM (SELECT DISTINCT ON (property_id, date, "hostName", "pagePathPlusQueryString") * FROM raw_ga4.pages ORDER BY property_id, date, "hostName", "pagePathPlusQueryString", _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.devices
SELECT property_id, to_date(date, 'YYYYMMDD'), "deviceCategory", "operatingSystem", browser, "totalUsers", "newUsers", sessions, "screenPageViews", "bounceRate" FROM (SELECT DISTINCT ON (property_id, date, "deviceCategory", "operatingSystem", browser) * FROM raw_ga4.devices ORDER BY property_id, date, "deviceCategory", "operatingSystem", browser, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.locations
SELECT property_id, to_date(date, 'YYYYMMDD'), country, region, city, "totalUsers", "newUsers", sessions, "screenPageViews", "bounceRate" FROM (SELECT DISTINCT ON (property_id, date, country, region, city) * FROM raw_ga4.locations ORDER BY property_id, date, country, region, city, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.traffic_sources
SELECT property_id, to_date(date, 'YYYYMMDD'), "sessionSource", "sessionMedium", "totalUsers", "newUsers", sessions, "screenPageViews", "bounceRate" FROM (SELECT DISTINCT ON (property_id, date, "sessionSource", "sessionMedium") * FROM raw_ga4.traffic_sources ORDER BY property_id, date, "sessionSource", "sessionMedium", _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.daily_active_users
SELECT property_id, to_date(date, 'YYYYMMDD'), "active1DayUsers" FROM (SELECT DISTINCT ON (property_id, date) * FROM raw_ga4.daily_active_users ORDER BY property_id, date, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.weekly_active_users
SELECT property_id, to_date(date, 'YYYYMMDD'), "active7DayUsers" FROM (SELECT DISTINCT ON (property_id, date) * FROM raw_ga4.weekly_active_users ORDER BY property_id, date, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.four_weekly_active_users
SELECT property_id, to_date(date, 'YYYYMMDD'), "active28DayUsers" FROM (SELECT DISTINCT ON (property_id, date) * FROM raw_ga4.four_weekly_active_users ORDER BY property_id, date, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest

-- model: data_ga4.events
-- select: event_date, event_at, event_name, user_pseudo_id, ga_session_id, session_engaged, engagement_time_ms, page_location, source, medium, campaign, device_category, country, transaction_id, purchase_revenue, currency
SELECT to_date(event_date, 'YYYYMMDD'), at, event_name, user_pseudo_id, session, coalesce(engaged, false), coalesce(engagement, 0), page, source, medium, campaign, device->>'category', geo->>'country', transaction, revenue, coalesce(currency, '') FROM hit

-- model: analytics_shopify.order_values
SELECT id, shop_url, currency, created_at, processed_at, customer_id, email, cancelled, units, gross, discounts, shipping, tax, total, returns, returned, net, place FROM vals

-- model: analytics_shopify.shop_days
SELECT instant, date, currency, orders, gross, discounts, returns, net, shipping, tax, units, returned, mean, first, later FROM days

-- model: analytics_shopify.daily_shop
SELECT date, currency, orders, gross, discounts, returns, net, shipping, tax, units, returned, mean, first, later FROM days WHERE instant = 'created_at'

-- model: analytics_shopify.daily_shop_processed
SELECT date, currency, orders, gross, discounts, returns, net, shipping, tax, units, returned, mean, first, later FROM days WHERE instant = 'processed_at'

-- model: analytics_shopify.customers
SELECT customer_id, currency, orders, gross, discounts, returns, net, net::float8 / orders, first_at, last_at, since, gap,
  CASE WHEN gap IS NULL THEN since > 90 ELSE since > 2 * greatest(gap, 7) END,
  ntile(5) OVER (PARTITION BY currency ORDER BY last_at, customer_id), ntile(5) OVER (PARTITION BY currency ORDER BY orders, customer_id), ntile(5) OVER (PARTITION BY currency ORDER BY net, customer_id)
FROM (SELECT customer_id, currency, count(*) AS orders, sum(gross) AS gross, sum(discounts) AS discounts, sum(returns) AS returns, sum(net) AS net, min(created_at) AS first_at, max(created_at) AS last_at,
        max(max(created_at)) OVER ()::date - max(created_at)::date AS since, CASE WHEN count(*) > 1 THEN trunc(extract(epoch FROM date_trunc('second', max(created_at)) - date_trunc('second', min(created_at))))::float8 / 86400 / (count(*) - 1) END AS gap
      FROM vals WHERE customer_id IS NOT NULL GROUP BY customer_id, currency) AS one

-- model: analytics_shopify.cohorts
SELECT cohort, currency, later, count(DISTINCT customer_id), count(*), sum(net), (cohort + (later + 1) * interval '1 month')::date <= (SELECT max(created_at)::date FROM vals)
FROM (SELECT customer_id, currency, net, cohort, ((extract(year FROM created_at) - extract(year FROM cohort)) * 12 + extract(month FROM created_at) - extract(month FROM cohort))::int AS later
      FROM (SELECT *, date_trunc('month', min(created_at) OVER (PARTITION BY customer_id, currency))::date AS cohort FROM vals WHERE customer_id IS NOT NULL) AS a) AS b
GROUP BY cohort, currency, later

-- model: analytics_shopify.discounts
SELECT code, o.currency, count(*), sum(amount), sum(gross - discounts), count(DISTINCT v.customer_id) FROM o CROSS JOIN LATERAL (SELECT one->>'code' AS code, (one->>'amount')::numeric AS amount FROM jsonb_array_elements(discount_codes) AS one) AS used JOIN vals AS v ON v.id = o.id GROUP BY code, o.currency

-- model: analytics_shopify.refunds
SELECT r.created_at::date, v.currency, count(*), count(DISTINCT r.order_id), sum(s.units), sum(s.goods), sum(s.tax), sum((SELECT coalesce(sum((one->>'amount')::numeric + (one->>'tax_amount')::numeric), 0) FROM jsonb_array_elements(order_adjustments) AS one)), sum((SELECT sum((one->>'amount')::numeric) FROM jsonb_array_elements(transactions) AS one)), avg(r.created_at::date - v.created_at::date)
FROM r JOIN vals AS v ON v.id = r.order_id JOIN (SELECT refund_id, sum(quantity) AS units, sum(subtotal) AS goods, sum(total_tax) AS tax FROM refunded GROUP BY refund_id) AS s ON s.refund_id = r.id GROUP BY 1, 2

-- model: analytics_shopify.abandoned_checkouts
SELECT created_at::date, currency, count(*), count(completed_at), count(*) - count(completed_at), count(*) FILTER (WHERE completed_at IS NULL AND back), coalesce(sum(total_price) FILTER (WHERE completed_at IS NULL), 0), coalesce(sum(total_price) FILTER (WHERE completed_at IS NULL AND back), 0)
FROM (SELECT k.*, EXISTS (SELECT FROM o WHERE NOT o.test AND lower(o.email) = lower(k.email) AND o.created_at >= k.created_at AND o.created_at < k.created_at + interval '72 hours') AS back FROM k) AS one GROUP BY 1, 2

-- model: analytics_shopify.inventory
SELECT i.id, i.sku, i.cost, coalesce(l.available, 0), coalesce(l.outs, 0), coalesce(s.units, 0), CASE WHEN coalesce(s.units, 0) > 0 THEN coalesce(l.available, 0)::float8 / (s.units / 30.0::float8) END, coalesce(i.cost * l.available, 0)
FROM (SELECT * FROM (SELECT DISTINCT ON (id) * FROM raw_shopify.inventory_items ORDER BY id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest) AS i
LEFT JOIN (SELECT inventory_item_id, sum(available) AS available, count(*) FILTER (WHERE available <= 0) AS outs FROM (SELECT DISTINCT ON (inventory_item_id, location_id) * FROM raw_shopify.inventory_levels ORDER BY inventory_item_id, location_id, updated_at DESC, _airbyte_extracted_at DESC, _airbyte_raw_id COLLATE "C" DESC) AS newest GROUP BY 1) AS l ON l.inventory_item_id = i.id
LEFT JOIN (SELECT sku, sum(quantity - coalesce((SELECT sum(quantity) FROM refunded WHERE (refunded.order_id, line_item_id) = (lines.order_id, lines.id)), 0)) AS units FROM lines WHERE NOT test AND created_at > (SELECT max(created_at) FROM o) - interval '30 days' GROUP BY sku) AS s ON s.sku = i.sku

-- model: analytics_klaviyo.named_events
SELECT id, profile_id, datetime, metric, integration, value, currency, message, flow, credited, credited_flow, utm_source, utm_medium, utm_campaign, bot, machine, order_id FROM said

-- model: analytics_klaviyo.campaign_performance
SELECT c.id, c.attributes->>'name', c.attributes->>'status', (c.attributes->>'send_time')::timestamptz, got, bounced, got + bounced, opens, openers, machines, clicks, clickers, robots, gone, spam, bought,
  CASE WHEN currencies <= 1 THEN revenue END, openers::float8 / nullif(got, 0), clickers::float8 / nullif(got, 0), clickers::float8 / nullif(openers, 0), bought::float8 / nullif(got, 0), CASE WHEN currencies <= 1 THEN revenue::float8 / nullif(got, 0) END
FROM campaign AS c JOIN LATERAL (
  SELECT count(DISTINCT (s.message, profile_id)) FILTER (WHERE metric = 'Received Email') AS got, count(DISTINCT (s.message, profile_id)) FILTER (WHERE metric = 'Bounced Email') AS bounced,
    count(*) FILTER (WHERE metric = 'Opened Email' AND NOT machine) AS opens, count(DISTINCT (s.message, profile_id)) FILTER (WHERE metric = 'Opened Email' AND NOT machine) AS openers, count(*) FILTER (WHERE metric = 'Opened Email' AND machine) AS machines,
    count(*) FILTER (WHERE metric = 'Clicked Email' AND NOT bot) AS clicks, count(DISTINCT (s.message, profile_id)) FILTER (WHERE metric = 'Clicked Email' AND NOT bot) AS clickers, count(*) FILTER (WHERE metric = 'Clicked Email' AND bot) AS robots,
    count(DISTINCT profile_id) FILTER (WHERE metric = 'Unsubscribed') AS gone, count(DISTINCT profile_id) FILTER (WHERE metric = 'Marked Email as Spam') AS spam,
    count(*) FILTER (WHERE metric = 'Placed Order') AS bought, coalesce(sum(value) FILTER (WHERE metric = 'Placed Order'), 0) AS revenue, count(DISTINCT currency) FILTER (WHERE metric = 'Placed Order') AS currencies
  FROM messages JOIN said AS s ON messages.message = CASE WHEN metric = 'Placed Order' THEN credited ELSE s.message END WHERE messages.campaign_id = c.id) AS n ON true

-- model: analytics_klaviyo.campaign_revenue
SELECT campaign_id, currency, count(*), sum(value) FROM messages JOIN said ON said.credited = messages.message WHERE metric = 'Placed Order' GROUP BY 1, 2

-- model: analytics_klaviyo.daily_event_summary
SELECT datetime::date, metric, currency, count(*), count(DISTINCT profile_id), coalesce(sum(value), 0), min(datetime), max(datetime) FROM said GROUP BY 1, 2, 3

-- model: analytics_klaviyo.hourly_engagement
SELECT extract(isodow FROM datetime), extract(hour FROM datetime), metric, count(*), count(DISTINCT profile_id) FROM said WHERE NOT bot AND NOT machine GROUP BY 1, 2, 3

-- model: analytics_klaviyo.customer_lifecycle_summary
SELECT CASE WHEN coalesce(clv, 0) = 0 THEN 'No Purchase History' WHEN clv < 100 THEN 'Low Value' WHEN clv < 500 THEN 'Medium Value' ELSE 'High Value' END, country, count(*), avg(clv)::float8, avg(predicted)::float8, avg(churn)::float8, count(*) FILTER (WHERE consent), count(*) FILTER (WHERE last > newest - interval '30 days')
FROM (SELECT (attributes->'predictive_analytics'->>'historic_clv')::numeric AS clv, (attributes->'predictive_analytics'->>'predicted_clv')::numeric AS predicted, trunc((attributes->'predictive_analytics'->>'churn_probability')::numeric, 9) AS churn,
        attributes->'location'->>'country' AS country, attributes->'subscriptions'->'email'->'marketing'->>'consent' = 'SUBSCRIBED' AS consent, (SELECT max(datetime) FROM e WHERE e.profile_id = person.id) AS last, (SELECT max(datetime) FROM e) AS newest FROM person) AS one GROUP BY 1, 2

-- model: analytics_klaviyo.segment_performance
SELECT CASE WHEN NOT consent THEN 'Non-Subscribers' WHEN last > newest - interval '30 days' THEN 'Active Subscribers' WHEN last > newest - interval '90 days' THEN 'Engaged Subscribers' ELSE 'Inactive Subscribers' END, count(*), count(*) FILTER (WHERE orders > 0), sum(orders)
FROM (SELECT attributes->'subscriptions'->'email'->'marketing'->>'consent' = 'SUBSCRIBED' AS consent, (SELECT count(*) FROM said WHERE profile_id = person.id AND metric = 'Placed Order') AS orders,
   (SELECT max(datetime) FROM said WHERE profile_id = person.id AND metric IN ('Opened Email', 'Clicked Email', 'Active on Site', 'Viewed Product', 'Checkout Started', 'Placed Order') AND NOT bot AND NOT machine) AS last, (SELECT max(datetime) FROM e) AS newest FROM person) AS one GROUP BY 1

-- model: analytics_ga4.sessions
-- select: user_pseudo_id, ga_session_id, started_at, ended_at, date, events, page_views, is_engaged, engagement_time_ms, is_new_user, source, medium, campaign, channel, device_category, country, purchases, revenue, currency, viewed_item_at, added_to_cart_at, began_checkout_at, purchased_at
SELECT user_pseudo_id, session, started, ended, started::date, events, views, engaged, engagement, is_new, source, medium, campaign, CASE WHEN source = '(direct)' THEN 'Direct' WHEN medium = 'email' THEN 'Email' WHEN (source, medium) = ('google', 'cpc') THEN 'Paid Search' WHEN source = 'facebook' THEN 'Paid Social' WHEN source = 'instagram' THEN 'Organic Social' WHEN medium = 'affiliate' THEN 'Affiliates' WHEN medium = 'organic' THEN 'Organic Search' WHEN medium = 'referral' THEN 'Referral' ELSE 'Unassigned' END, category, country, purchases, coalesce(revenue, 0), currency, view_at, cart_at, checkout_at, bought_at FROM visit LEFT JOIN paid USING (user_pseudo_id, session)

-- model: analytics_ga4.channel_groups
SELECT started::date, CASE WHEN source = '(direct)' THEN 'Direct' WHEN medium = 'email' THEN 'Email' WHEN (source, medium) = ('google', 'cpc') THEN 'Paid Search' WHEN source = 'facebook' THEN 'Paid Social' WHEN source = 'instagram' THEN 'Organic Social' WHEN medium = 'affiliate' THEN 'Affiliates' WHEN medium = 'organic' THEN 'Organic Search' WHEN medium = 'referral' THEN 'Referral' ELSE 'Unassigned' END, currency, count(*), count(DISTINCT user_pseudo_id), count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE engaged), sum(views), sum(purchases), coalesce(sum(revenue), 0) FROM visit LEFT JOIN paid USING (user_pseudo_id, session) GROUP BY 1, 2, 3

-- model: analytics_ga4.funnel
SELECT started::date, category, count(*), count(view_at), count(cart_at), count(checkout_at), count(bought_at) FROM visit GROUP BY 1, 2

-- model: analytics_ga4.active_users
SELECT day, d1, d7, d28, d1::float8 / d28 FROM (SELECT day, count(DISTINCT who) FILTER (WHERE date = day) AS d1, count(DISTINCT who) FILTER (WHERE date > day - 7) AS d7, count(DISTINCT who) AS d28
FROM (SELECT DISTINCT to_date(event_date, 'YYYYMMDD') AS day FROM hit) AS days JOIN (SELECT DISTINCT to_date(event_date, 'YYYYMMDD') AS date, user_pseudo_id AS who FROM hit WHERE user_pseudo_id <> '' AND (engaged OR engagement > 0)) AS active ON date <= day AND date > day - 28 GROUP BY day) AS n

-- model: analytics_klaviyo.attribution_summary
-- select: date, currency, source, medium, campaign, visitors, first_touch, last_touch, last_non_direct, round(toFloat64(linear), 6), round(toFloat64(time_decay), 6), round(toFloat64(position_based), 6), first_touch_revenue, last_touch_revenue, last_non_direct_revenue
SELECT date, currency, source, medium, campaign, count(DISTINCT who), coalesce(sum(purchases) FILTER (WHERE place = 1), 0), coalesce(sum(purchases) FILTER (WHERE place = n), 0), coalesce(sum(purchases) FILTER (WHERE place = coalesce(indirect, n)), 0),
  round(sum(purchases::numeric / n), 6), round(sum(purchases * aged / decay), 6), round(sum(purchases * CASE WHEN n = 1 THEN 1 WHEN n = 2 THEN 0.5 WHEN place IN (1, n) THEN 0.4 ELSE 0.2 / (n - 2) END), 6),
  coalesce(sum(revenue) FILTER (WHERE place = 1), 0), coalesce(sum(revenue) FILTER (WHERE place = n), 0), coalesce(sum(revenue) FILTER (WHERE place = coalesce(indirect, n)), 0)
FROM (SELECT *, max(CASE WHEN source <> '(direct)' THEN place END) OVER w AS indirect, sum(aged) OVER w AS decay FROM (
  SELECT b.user_pseudo_id AS who, b.session AS buy, b.started::date AS date, b.currency, b.purchases, coalesce(paid.revenue, 0) AS revenue, v.source, v.medium, v.campaign,
    power(2::numeric, -trunc(extract(epoch FROM date_trunc('second', b.started) - date_trunc('second', v.started))) / 604800) AS aged,
    row_number() OVER (PARTITION BY b.user_pseudo_id, b.session ORDER BY v.started, v.session) AS place, count(*) OVER (PARTITION BY b.user_pseudo_id, b.session) AS n
  FROM visit AS b JOIN visit AS v ON v.user_pseudo_id = b.user_pseudo_id AND v.started <= b.started AND v.started > b.started - interval '30 days'
  LEFT JOIN paid ON (paid.user_pseudo_id, paid.session) = (b.user_pseudo_id, b.session) WHERE b.purchases > 0) AS a WINDOW w AS (PARTITION BY who, buy)) AS t
GROUP BY date, currency, source, medium, campaign

-- model: analytics_commerce.marketing_mix
SELECT date, channel, currency, sum(sessions), sum(purchases), sum(revenue), sum(orders), sum(net), sum(delivered), sum(clicked) FROM (
  SELECT started::date AS date, CASE WHEN source = '(direct)' THEN 'Direct' WHEN medium = 'email' THEN 'Email' WHEN (source, medium) = ('google', 'cpc') THEN 'Paid Search' WHEN source = 'facebook' THEN 'Paid Social' WHEN source = 'instagram' THEN 'Organic Social' WHEN medium = 'affiliate' THEN 'Affiliates' WHEN medium = 'organic' THEN 'Organic Search' WHEN medium = 'referral' THEN 'Referral' ELSE 'Unassigned' END AS channel, currency, 1 AS sessions, purchases, coalesce(revenue, 0) AS revenue, 0 AS orders, 0 AS net, 0 AS delivered, 0 AS clicked FROM visit LEFT JOIN paid USING (user_pseudo_id, session)
  UNION ALL SELECT created_at::date, coalesce((
      SELECT c FROM (SELECT hit.at, CASE WHEN v.source = '(direct)' THEN 'Direct' WHEN v.medium = 'email' THEN 'Email' WHEN (v.source, v.medium) = ('google', 'cpc') THEN 'Paid Search' WHEN v.source = 'facebook' THEN 'Paid Social' WHEN v.source = 'instagram' THEN 'Organic Social' WHEN v.medium = 'affiliate' THEN 'Affiliates' WHEN v.medium = 'organic' THEN 'Organic Search' WHEN v.medium = 'referral' THEN 'Referral' ELSE 'Unassigned' END AS c FROM hit JOIN visit AS v ON (v.user_pseudo_id, v.session) = (hit.user_pseudo_id, hit.session) WHERE event_name = 'purchase' AND hit.transaction = vals.id::text) AS x ORDER BY at LIMIT 1), '(not tracked)'),
      currency, 0, 0, 0, 1, net, 0, 0 FROM vals
  UNION ALL SELECT datetime::date, 'Email', '', 0, 0, 0, 0, 0, (metric = 'Received Email')::int, (metric = 'Clicked Email')::int FROM said WHERE metric IN ('Received Email', 'Clicked Email') AND NOT bot) AS part
GROUP BY date, channel, currency

-- model: analytics_shopify.lifecycle
SELECT month, CASE WHEN month = first THEN 'new' WHEN last = month AND before = month - interval '1 month' THEN 'active' WHEN last = month THEN 'returned' WHEN last + interval '3 months' > month THEN 'at risk' ELSE 'lost' END AS stage, count(*)
FROM (SELECT customer_id, month::date AS month, (SELECT min(date_trunc('month', created_at))::date FROM vals WHERE vals.customer_id = c.customer_id) AS first,
    (SELECT max(date_trunc('month', created_at))::date FROM vals WHERE vals.customer_id = c.customer_id AND date_trunc('month', created_at) <= month) AS last,
    (SELECT max(date_trunc('month', created_at))::date FROM vals WHERE vals.customer_id = c.customer_id AND date_trunc('month', created_at) < month) AS before
  FROM (SELECT customer_id, date_trunc('month', min(created_at)) AS first FROM vals WHERE customer_id IS NOT NULL GROUP BY customer_id) AS c
  CROSS JOIN LATERAL generate_series(c.first, (SELECT date_trunc('month', max(created_at)) FROM vals WHERE customer_id IS NOT NULL), interval '1 month') AS month) AS one
GROUP BY 1, 2

-- model: analytics_ga4.report_differences
SELECT NULL::date, '', '', 0::numeric, 0::numeric, 0::numeric WHERE false
