-- kind: view
-- description: the first and the last visit before an order, as Shopify saw them: where from, by which link. One that is both has a row as each
-- owner: data
-- audit: unique(order_id, visit), accepted_values(visit, 'first', 'last')
SELECT
    order_id, shop, visit, occurred_at, visit_id, landing_page, referral_code, referrer_url, source, source_type, source_description, utm_source, utm_medium, utm_campaign, utm_content, utm_term
FROM
(
    SELECT
        journey.order_id AS order_id, journey.shop AS shop, 'first' AS visit, parseDateTime64BestEffortOrNull(tupleElement(journey.first_visit, 'occurred_at'), 6, 'UTC') AS occurred_at,
        tupleElement(journey.first_visit, 'id') AS visit_id, tupleElement(journey.first_visit, 'landing_page') AS landing_page, tupleElement(journey.first_visit, 'referral_code') AS referral_code, tupleElement(journey.first_visit, 'referrer_url') AS referrer_url, tupleElement(journey.first_visit, 'source') AS source, tupleElement(journey.first_visit, 'source_type') AS source_type, tupleElement(journey.first_visit, 'source_description') AS source_description,
        tupleElement(tupleElement(journey.first_visit, 'utm_parameters'), 'source') AS utm_source, tupleElement(tupleElement(journey.first_visit, 'utm_parameters'), 'medium') AS utm_medium, tupleElement(tupleElement(journey.first_visit, 'utm_parameters'), 'campaign') AS utm_campaign, tupleElement(tupleElement(journey.first_visit, 'utm_parameters'), 'content') AS utm_content, tupleElement(tupleElement(journey.first_visit, 'utm_parameters'), 'term') AS utm_term
    FROM data_shopify.customer_journey_summary AS journey
    WHERE tupleElement(journey.first_visit, 'id') IS NOT NULL
    UNION ALL
    SELECT
        journey.order_id AS order_id, journey.shop AS shop, 'last' AS visit, parseDateTime64BestEffortOrNull(tupleElement(journey.last_visit, 'occurred_at'), 6, 'UTC') AS occurred_at,
        tupleElement(journey.last_visit, 'id') AS visit_id, tupleElement(journey.last_visit, 'landing_page') AS landing_page, tupleElement(journey.last_visit, 'referral_code') AS referral_code, tupleElement(journey.last_visit, 'referrer_url') AS referrer_url, tupleElement(journey.last_visit, 'source') AS source, tupleElement(journey.last_visit, 'source_type') AS source_type, tupleElement(journey.last_visit, 'source_description') AS source_description,
        tupleElement(tupleElement(journey.last_visit, 'utm_parameters'), 'source') AS utm_source, tupleElement(tupleElement(journey.last_visit, 'utm_parameters'), 'medium') AS utm_medium, tupleElement(tupleElement(journey.last_visit, 'utm_parameters'), 'campaign') AS utm_campaign, tupleElement(tupleElement(journey.last_visit, 'utm_parameters'), 'content') AS utm_content, tupleElement(tupleElement(journey.last_visit, 'utm_parameters'), 'term') AS utm_term
    FROM data_shopify.customer_journey_summary AS journey
    WHERE tupleElement(journey.last_visit, 'id') IS NOT NULL
)
