-- kind: view
-- description: what GA4's own reports say of a day beside what the events give: a row a day, measure and (of events by name) name, on days that were reported. GA4 thresholds and samples, so small differences are usual; a large one says that events are missing
-- owner: acquisition
-- audit: unique(day, measure, name)
SELECT
    day,
    measure,
    name,
    sum(theirs) AS reported,
    sum(ours) AS counted,
    counted - reported AS difference
FROM
(
    SELECT assumeNotNull(said.day) AS day, said.measure AS measure, said.name AS name, said.amount AS theirs, toDecimal64(0, 4) AS ours
    FROM
    (
        SELECT
            toNullable(one.day) AS day, one.name AS name,
            arrayJoin(if(one.report = 'events', [('events by name', 'eventCount')],
                [('events', 'eventCount'), ('page views', 'screenPageViews'), ('active users', 'activeUsers'), ('sessions', 'sessions'), ('purchases', 'ecommercePurchases'), ('revenue', 'purchaseRevenue')])) AS pair,
            pair.1 AS measure, ifNull(toDecimal64OrNull(JSONExtractString(one.metrics, pair.2), 4), 0) AS amount
        FROM bronze.ga4_reports AS one
    ) AS said
    UNION ALL
    SELECT assumeNotNull(known.day) AS day, pair.1 AS measure, '' AS name, toDecimal64(0, 4) AS theirs, toDecimal64(pair.2, 4) AS ours
    FROM
    (
        SELECT
            happened.event_date AS day,
            arrayJoin([
                ('events', toString(count())),
                ('page views', toString(countIf(happened.event_name = 'page_view'))),
                ('active users', toString(uniqExactIf(happened.user_pseudo_id, happened.user_pseudo_id != '' AND (happened.session_engaged OR happened.engagement_time_ms > 0)))),
                ('sessions', toString(uniqExactIf((happened.user_pseudo_id, happened.ga_session_id), happened.user_pseudo_id != '' AND happened.ga_session_id IS NOT NULL))),
                ('purchases', toString(uniqExactIf(ifNull(happened.transaction_id, happened.event_key), happened.event_name = 'purchase'))),
                ('revenue', toString(arraySum(entry -> entry.2, groupUniqArrayIf((ifNull(happened.transaction_id, happened.event_key), ifNull(happened.purchase_revenue, 0)), happened.event_name = 'purchase'))))
            ]) AS pair
        FROM data_ga4.events AS happened
        WHERE happened.event_date IS NOT NULL
        GROUP BY day
    ) AS known
    UNION ALL
    SELECT assumeNotNull(named.event_date) AS day, 'events by name' AS measure, named.event_name AS name, toDecimal64(0, 4) AS theirs, toDecimal64(count(), 4) AS ours
    FROM data_ga4.events AS named
    WHERE named.event_date IS NOT NULL
    GROUP BY day, name
)
WHERE day IN (SELECT reported_day.day FROM bronze.ga4_reports AS reported_day)
GROUP BY day, measure, name
