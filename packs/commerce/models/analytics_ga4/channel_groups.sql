-- kind: view
-- description: visits by UTC day they began, channel and currency of their purchases ('' without)
-- owner: acquisition
-- audit: unique(date, channel, currency)
SELECT
    date, channel, currency, count() AS sessions, uniqExact(user_pseudo_id) AS users, countIf(visit.is_new_user) AS new_users, countIf(visit.is_engaged) AS engaged_sessions,
    sum(visit.page_views) AS page_views, sum(visit.purchases) AS purchases, sum(visit.revenue) AS revenue
FROM analytics_ga4.sessions AS visit
GROUP BY date, channel, currency
