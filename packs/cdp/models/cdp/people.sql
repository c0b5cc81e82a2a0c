-- kind: view
-- description: one wide row per person: who they are, what they said, what they bought; visitors without a name, too
-- audit: unique(profile_id)
SELECT
    profile.profile_id AS profile_id,
    profile.user_id AS customer_id,
    profile.email AS email,
    profile.name AS name,
    profile.plan AS plan,
    profile.country AS country,
    profile.account_id AS account_id,
    profile.consent AS consent,
    JSONExtractString(profile.traits, 'address', 'city') AS city,
    JSONExtract(profile.traits, 'interests', 'Array(String)') AS interests,
    profile.created_at AS customer_since,
    profile.first_seen AS first_seen,
    profile.last_seen AS last_seen,
    profile.events AS events,
    length(profile.anonymous_id_all) AS browsers,
    ifNull(bought.orders, 0) AS orders,
    ifNull(bought.refunds, 0) AS refunds,
    ifNull(bought.spent, 0) AS spent,
    if(bought.customer_id = '', NULL, bought.last_order_at) AS last_order_at,
    ifNull(bought.categories, []) AS categories,
    multiIf(profile.user_id = '' AND profile.email = '', 'visitor', profile.user_id = '', 'lead', orders = 0, 'customer', 'buyer') AS stage
FROM cdp.profiles AS profile
LEFT JOIN cdp.customer_orders AS bought ON bought.customer_id = profile.user_id
