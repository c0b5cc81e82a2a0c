-- kind: view
-- description: purchases credited to the visits of the 30 days up to them, by UTC day of the purchase, currency, source, medium, campaign: to the first visit, the last, the last that is not direct, all equally, by age (half in 7 days), 40-20-40. What rounding leaves goes to the last visit, so every model adds up to the same purchases and revenue
-- owner: email
-- audit: not_null(date)
WITH touched AS
(
    SELECT
        bought.user_pseudo_id AS user_pseudo_id, bought.ga_session_id AS purchase_session,
        any(bought.date) AS date, any(bought.currency) AS currency, any(bought.purchases) AS purchases, any(toDecimal128(bought.revenue, 4)) AS revenue,
        arraySort(groupArray((visit.started_at, visit.ga_session_id, visit.source, visit.medium, visit.campaign,
                              exp2(-dateDiff('second', visit.started_at, bought.started_at) / 604800)))) AS touches,
        length(touches) AS n,
        arraySum(touch -> touch.6, touches) AS decay,
        arrayLastIndex(touch -> touch.3 != '(direct)', touches) AS indirect,
        arrayMap(touch -> toDecimal128(1 / n, 12), touches) AS equal,
        arrayMap(touch -> toDecimal128(touch.6 / decay, 12), touches) AS aged,
        arrayMap(place -> toDecimal128(multiIf(n = 1, 1., n = 2, 0.5, place = 1 OR place = n, 0.4, 0.2 / (n - 2)), 12), arrayEnumerate(touches)) AS placed,
        toDecimal128(1, 12) AS one,
        arrayPushBack(arrayPopBack(equal), one - arraySum(arrayPopBack(equal))) AS equally,
        arrayPushBack(arrayPopBack(aged), one - arraySum(arrayPopBack(aged))) AS by_age,
        arrayPushBack(arrayPopBack(placed), one - arraySum(arrayPopBack(placed))) AS by_place
    FROM analytics_ga4.sessions AS bought
    INNER JOIN analytics_ga4.sessions AS visit ON visit.user_pseudo_id = bought.user_pseudo_id
    WHERE bought.purchases > 0 AND visit.started_at <= bought.started_at AND visit.started_at > bought.started_at - INTERVAL 30 DAY
    GROUP BY user_pseudo_id, purchase_session
)
SELECT
    date,
    currency,
    touches[place].3 AS source,
    touches[place].4 AS medium,
    touches[place].5 AS campaign,
    uniqExact(user_pseudo_id) AS visitors,
    sumIf(purchases, place = 1) AS first_touch,
    sumIf(purchases, place = n) AS last_touch,
    sumIf(purchases, place = if(indirect = 0, n, indirect)) AS last_non_direct,
    sum(purchases * equally[place]) AS linear,
    sum(purchases * by_age[place]) AS time_decay,
    sum(purchases * by_place[place]) AS position_based,
    sumIf(revenue, place = 1) AS first_touch_revenue,
    sumIf(revenue, place = n) AS last_touch_revenue,
    sumIf(revenue, place = if(indirect = 0, n, indirect)) AS last_non_direct_revenue,
    sum(revenue * equally[place]) AS linear_revenue,
    sum(revenue * by_age[place]) AS time_decay_revenue,
    sum(revenue * by_place[place]) AS position_based_revenue
FROM touched
ARRAY JOIN arrayEnumerate(touches) AS place
GROUP BY date, currency, source, medium, campaign
