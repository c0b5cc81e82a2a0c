-- kind: view
-- description: visits, one row each: (user_pseudo_id, ga_session_id), also over midnight. The four steps of a purchase: each the first at or after the one before. Source: the first of the visit that is not direct. A purchase that was sent twice counts once; revenue is of the visit's own currency
-- owner: acquisition
-- audit: unique(user_pseudo_id, ga_session_id)
SELECT
    user_pseudo_id,
    ga_session_id,
    started_at,
    ended_at,
    toDate32(started_at, 'UTC') AS date,
    events,
    page_views,
    is_engaged,
    engagement_time_ms,
    is_new_user,
    landing_page,
    source,
    medium,
    campaign,
    multiIf(
        source = '(direct)', 'Direct',
        medium IN ('email', 'e-mail', 'newsletter') OR source IN ('email', 'klaviyo'), 'Email',
        medium = 'sms' OR source = 'sms', 'SMS',
        has_gclid OR match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') AND match(source, '^(google|bing|yahoo|duckduckgo|baidu|yandex|ecosia)'), 'Paid Search',
        match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$') AND match(source, '(facebook|instagram|tiktok|pinterest|linkedin|twitter|reddit|snapchat)'), 'Paid Social',
        match(medium, '^(.*cp.*|ppc|retargeting|paid.*)$'), 'Paid Other',
        medium IN ('display', 'banner', 'expandable', 'interstitial', 'cpm'), 'Display',
        match(source, '(facebook|instagram|tiktok|pinterest|linkedin|twitter|reddit|snapchat)') OR medium IN ('social', 'social-network', 'social-media', 'sm'), 'Organic Social',
        medium = 'affiliate', 'Affiliates',
        medium = 'organic' OR match(source, '^(google|bing|yahoo|duckduckgo|baidu|yandex|ecosia)'), 'Organic Search',
        medium IN ('referral', 'app', 'link'), 'Referral',
        'Unassigned') AS channel,
    device_category,
    country,
    purchases,
    revenue,
    currency,
    viewed_item_at,
    added_to_cart_at,
    began_checkout_at,
    purchased_at
FROM
(
    SELECT
        happened.user_pseudo_id AS user_pseudo_id, assumeNotNull(happened.ga_session_id) AS ga_session_id,
        min(happened.event_at) AS started_at, max(happened.event_at) AS ended_at, count() AS events,
        countIf(happened.event_name = 'page_view') AS page_views, max(happened.session_engaged) AS is_engaged,
        sum(happened.engagement_time_ms) AS engagement_time_ms, toBool(max(happened.event_name = 'first_visit')) AS is_new_user,
        argMinIf(happened.page_location, (happened.event_at, happened.event_key), happened.page_location != '') AS landing_page,
        argMinIf((happened.source, happened.medium, happened.campaign), (happened.event_at, happened.event_key), happened.source NOT IN ('', '(direct)', '(not set)')) AS touch,
        if(touch.1 = '', '(direct)', touch.1) AS source, if(touch.1 = '', '(none)', touch.2) AS medium, touch.3 AS campaign,
        max(happened.has_gclid) AS has_gclid,
        argMin(happened.device_category, (happened.event_at, happened.event_key)) AS device_category,
        argMin(happened.country, (happened.event_at, happened.event_key)) AS country,
        uniqExactIf(ifNull(happened.transaction_id, happened.event_key), happened.event_name = 'purchase') AS purchases,
        arraySum(entry -> entry.2, groupUniqArrayIf((ifNull(happened.transaction_id, happened.event_key), ifNull(happened.purchase_revenue, 0)), happened.event_name = 'purchase')) AS revenue,
        maxIf(happened.currency, happened.event_name = 'purchase') AS currency,
        arraySort(groupArrayIf(happened.event_at, happened.event_name = 'view_item')) AS views,
        arraySort(groupArrayIf(happened.event_at, happened.event_name = 'add_to_cart')) AS carts,
        arraySort(groupArrayIf(happened.event_at, happened.event_name = 'begin_checkout')) AS checkouts,
        arraySort(groupArrayIf(happened.event_at, happened.event_name = 'purchase')) AS buys,
        arrayFirstOrNull(at -> 1, views) AS viewed_item_at,
        arrayFirstOrNull(at -> ifNull(at >= viewed_item_at, 0), carts) AS added_to_cart_at,
        arrayFirstOrNull(at -> ifNull(at >= added_to_cart_at, 0), checkouts) AS began_checkout_at,
        arrayFirstOrNull(at -> ifNull(at >= began_checkout_at, 0), buys) AS purchased_at
    FROM data_ga4.events AS happened
    WHERE happened.ga_session_id IS NOT NULL AND happened.user_pseudo_id != ''
    GROUP BY user_pseudo_id, ga_session_id
)
