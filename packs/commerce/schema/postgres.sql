-- Where an extraction tool (Airbyte's Postgres destination and its like) puts what it reads from Shopify, Klaviyo and GA4:
-- a schema for each system, a table for each stream, rows appended, so one object has a row for each time it was extracted.
-- `tidemark generate commerce` creates these tables when they are missing. Names and types are the tool's: numbers that
-- are not whole are numeric without a precision, nested values are jsonb. The primary key is what change capture needs.

CREATE SCHEMA IF NOT EXISTS raw_shopify;
CREATE SCHEMA IF NOT EXISTS raw_klaviyo;
CREATE SCHEMA IF NOT EXISTS raw_ga4;

CREATE TABLE IF NOT EXISTS raw_shopify.orders (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, name text, order_number bigint, email text, phone text,
    created_at timestamptz, updated_at timestamptz, processed_at timestamptz, cancelled_at timestamptz, closed_at timestamptz, cancel_reason text,
    currency text, presentment_currency text, financial_status text, fulfillment_status text, test boolean, taxes_included boolean,
    source_name text, landing_site text, referring_site text, tags text, note text, buyer_accepts_marketing boolean,
    total_line_items_price numeric, total_discounts numeric, subtotal_price numeric, total_tax numeric, total_price numeric,
    total_shipping_price_set jsonb, customer jsonb, line_items jsonb, discount_codes jsonb, discount_applications jsonb, shipping_lines jsonb, tax_lines jsonb,
    note_attributes jsonb, payment_gateway_names jsonb, shipping_address jsonb, billing_address jsonb, fulfillments jsonb,
    deleted_at timestamptz, deleted_message text, deleted_description text
);
CREATE TABLE IF NOT EXISTS raw_shopify.order_refunds (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, order_id bigint, created_at timestamptz, processed_at timestamptz, note text, restock boolean, user_id bigint,
    refund_line_items jsonb, transactions jsonb, order_adjustments jsonb
);
CREATE TABLE IF NOT EXISTS raw_shopify.customers (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, email text, first_name text, last_name text, phone text, state text, created_at timestamptz, updated_at timestamptz,
    orders_count bigint, total_spent numeric, currency text, tags text, note text, verified_email boolean, tax_exempt boolean,
    accepts_marketing boolean, email_marketing_consent jsonb, addresses jsonb, default_address jsonb,
    deleted_at timestamptz, deleted_message text, deleted_description text
);
CREATE TABLE IF NOT EXISTS raw_shopify.abandoned_checkouts (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, token text, cart_token text, email text, created_at timestamptz, updated_at timestamptz, completed_at timestamptz,
    closed_at timestamptz, currency text, abandoned_checkout_url text, subtotal_price numeric, total_discounts numeric, total_tax numeric, total_price numeric,
    customer jsonb, line_items jsonb
);
CREATE TABLE IF NOT EXISTS raw_shopify.locations (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, name text, city text, country_code text, active boolean, created_at timestamptz, updated_at timestamptz,
    deleted_at timestamptz
);
CREATE TABLE IF NOT EXISTS raw_shopify.inventory_items (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, sku text, cost numeric, currency_code text, tracked boolean, created_at timestamptz, updated_at timestamptz
);
CREATE TABLE IF NOT EXISTS raw_shopify.inventory_levels (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, shop_url text, inventory_item_id bigint, location_id bigint, available bigint, quantities jsonb, updated_at timestamptz
);
ALTER TABLE raw_shopify.inventory_levels ADD COLUMN IF NOT EXISTS quantities jsonb;
CREATE TABLE IF NOT EXISTS raw_shopify.transactions (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, order_id bigint, parent_id bigint, kind text, status text, gateway text, amount numeric, currency text, test boolean,
    error_code text, source_name text, created_at timestamptz, processed_at timestamptz, payment_details jsonb, fees jsonb
);
CREATE TABLE IF NOT EXISTS raw_shopify.price_rules (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, title text, value text, value_type text, target_type text, target_selection text, allocation_method text,
    customer_selection text, once_per_customer boolean, usage_limit bigint, starts_at timestamptz, ends_at timestamptz,
    created_at timestamptz, updated_at timestamptz, deleted_at timestamptz
);
CREATE TABLE IF NOT EXISTS raw_shopify.discount_codes (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, price_rule_id bigint, code text, usage_count bigint, created_at timestamptz, updated_at timestamptz
);
CREATE TABLE IF NOT EXISTS raw_shopify.countries (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, code text, name text, tax numeric, tax_name text, provinces jsonb
);
CREATE TABLE IF NOT EXISTS raw_shopify.shop (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, name text, domain text, myshopify_domain text, email text, currency text, country_code text, iana_timezone text,
    plan_name text, created_at timestamptz, updated_at timestamptz
);
-- What the tool reads of orders by bulk operations: where their customers came from, and what was agreed on.
CREATE TABLE IF NOT EXISTS raw_shopify.customer_journey_summary (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    order_id bigint, shop_url text, admin_graphql_api_id text, created_at timestamptz, updated_at timestamptz, customer_journey_summary jsonb
);
CREATE TABLE IF NOT EXISTS raw_shopify.order_agreements (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id bigint, shop_url text, admin_graphql_api_id text, created_at timestamptz, updated_at timestamptz, agreements jsonb
);

CREATE TABLE IF NOT EXISTS raw_klaviyo.metrics (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, type text, attributes jsonb, relationships jsonb, updated timestamptz
);
CREATE TABLE IF NOT EXISTS raw_klaviyo.campaigns (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, type text, attributes jsonb, relationships jsonb, updated_at timestamptz
);
CREATE TABLE IF NOT EXISTS raw_klaviyo.flows (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, type text, attributes jsonb, relationships jsonb, updated timestamptz
);
CREATE TABLE IF NOT EXISTS raw_klaviyo.lists (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, type text, attributes jsonb, relationships jsonb, updated timestamptz
);
CREATE TABLE IF NOT EXISTS raw_klaviyo.profiles (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, type text, attributes jsonb, relationships jsonb, updated timestamptz
);
CREATE TABLE IF NOT EXISTS raw_klaviyo.events (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    id text, type text, attributes jsonb, relationships jsonb, datetime timestamptz
);

CREATE TABLE IF NOT EXISTS raw_ga4.website_overview (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "totalUsers" bigint, "newUsers" bigint, sessions bigint, "sessionsPerUser" numeric, "averageSessionDuration" numeric,
    "screenPageViews" bigint, "screenPageViewsPerSession" numeric, "bounceRate" numeric
);
CREATE TABLE IF NOT EXISTS raw_ga4.pages (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "hostName" text, "pagePathPlusQueryString" text, "screenPageViews" bigint, "bounceRate" numeric
);
CREATE TABLE IF NOT EXISTS raw_ga4.devices (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "deviceCategory" text, "operatingSystem" text, browser text, "totalUsers" bigint, "newUsers" bigint, sessions bigint,
    "screenPageViews" bigint, "bounceRate" numeric
);
CREATE TABLE IF NOT EXISTS raw_ga4.locations (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, country text, region text, city text, "totalUsers" bigint, "newUsers" bigint, sessions bigint, "screenPageViews" bigint,
    "bounceRate" numeric
);
CREATE TABLE IF NOT EXISTS raw_ga4.traffic_sources (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "sessionSource" text, "sessionMedium" text, "totalUsers" bigint, "newUsers" bigint, sessions bigint,
    "screenPageViews" bigint, "bounceRate" numeric
);
CREATE TABLE IF NOT EXISTS raw_ga4.daily_active_users (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "active1DayUsers" bigint
);
CREATE TABLE IF NOT EXISTS raw_ga4.weekly_active_users (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "active7DayUsers" bigint
);
CREATE TABLE IF NOT EXISTS raw_ga4.four_weekly_active_users (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    property_id text, date text, "active28DayUsers" bigint
);
-- Rows of the BigQuery export (events_YYYYMMDD), nested fields as they are there.
CREATE TABLE IF NOT EXISTS raw_ga4.events (
    _airbyte_raw_id text PRIMARY KEY, _airbyte_extracted_at timestamptz NOT NULL, _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint NOT NULL,
    event_date text, event_timestamp bigint, event_name text, event_params jsonb, user_id text, user_pseudo_id text, user_first_touch_timestamp bigint,
    device jsonb, geo jsonb, traffic_source jsonb, collected_traffic_source jsonb, ecommerce jsonb, items jsonb, stream_id text, platform text
);
CREATE INDEX IF NOT EXISTS ga4_events_date ON raw_ga4.events (event_date);
