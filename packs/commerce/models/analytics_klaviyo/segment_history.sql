-- kind: view
-- description: the segments of segment_performance by UTC day, from the first event to the newest: who had reacted within 30 and 90 days before the end of the day. Consent and who there is are as they are now, from the day a profile was created
-- owner: email
-- audit: unique(date, segment)
SELECT date, segment, count() AS profiles
FROM
(
    SELECT
        profile_id, arrayJoin(arrayMap(n -> addDays(first, n), range(toUInt32(dateDiff('day', first, last) + 1)))) AS date,
        arrayMax(arrayFilter(one -> one <= date, reacted)) AS newest,
        multiIf(NOT accepts_marketing, 'Non-Subscribers', newest > subtractDays(date, 30), 'Active Subscribers',
                newest > subtractDays(date, 90), 'Engaged Subscribers', 'Inactive Subscribers') AS segment
    FROM
    (
        SELECT
            person.profile_id AS profile_id, person.accepts_marketing AS accepts_marketing, reaction.days AS reacted,
            greatest(span.first, ifNull(toDate32(person.created_at, 'UTC'), span.first)) AS first, span.last AS last
        FROM data_klaviyo.profiles AS person
        LEFT JOIN
        (
            SELECT profile_id, groupUniqArray(toDate32(assumeNotNull(datetime), 'UTC')) AS days
            FROM analytics_klaviyo.named_events
            WHERE datetime IS NOT NULL AND metric IN ('Opened Email', 'Clicked Email', 'Active on Site', 'Viewed Product', 'Checkout Started', 'Placed Order') AND NOT is_bot AND NOT is_machine_open
            GROUP BY profile_id
        ) AS reaction ON reaction.profile_id = person.profile_id
        CROSS JOIN (SELECT toDate32(assumeNotNull(min(datetime)), 'UTC') AS first, toDate32(assumeNotNull(max(datetime)), 'UTC') AS last FROM data_klaviyo.events WHERE datetime IS NOT NULL) AS span
    )
    WHERE first <= last
)
GROUP BY date, segment
