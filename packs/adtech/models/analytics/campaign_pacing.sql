-- kind: view
-- description: spend against budget and flight dates; pace 1 means the budget will last exactly to the end date
-- audit: unique(campaign_id)
-- audit: accepted_values(state, 'planned', 'over budget', 'ended', 'ahead', 'behind', 'on track')
SELECT
    campaign_id,
    campaign_name,
    advertiser_name,
    budget,
    spend,
    budget_used,
    start_date,
    end_date,
    flight_days,
    elapsed_days,
    flight_used,
    if(flight_used = 0, 0, budget_used / flight_used) AS pace,
    multiIf(
        spend > budget, 'over budget',
        elapsed_days = 0, 'planned',
        elapsed_days = flight_days AND end_date < today_utc, 'ended',
        budget_used > flight_used * 1.1, 'ahead',
        budget_used < flight_used * 0.9, 'behind',
        'on track') AS state
FROM
(
    SELECT
        traffic.campaign_id AS campaign_id,
        traffic.campaign_name AS campaign_name,
        ifNull(advertiser.name, '') AS advertiser_name,
        traffic.budget AS budget,
        toDecimal128(traffic.bid, 2) * traffic.impressions AS spend,
        if(traffic.budget = 0, 0, toFloat64(spend) / toFloat64(traffic.budget)) AS budget_used,
        traffic.start_date AS start_date,
        traffic.end_date AS end_date,
        toDate32(now('UTC')) AS today_utc,
        greatest(dateDiff('day', traffic.start_date, traffic.end_date) + 1, 1) AS flight_days,
        least(greatest(dateDiff('day', traffic.start_date, today_utc) + 1, 0), flight_days) AS elapsed_days,
        elapsed_days / flight_days AS flight_used
    FROM analytics.campaign_traffic AS traffic
    LEFT JOIN analytics.dim_advertiser AS advertiser ON advertiser.advertiser_id = traffic.advertiser_id
)
