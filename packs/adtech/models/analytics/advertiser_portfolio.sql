-- kind: keyed
-- description: what an advertiser has booked: flights, bids, budgets; recomputed for the advertisers a change touches
-- key: advertiser_id
SELECT
    advertiser_id,
    count() AS campaigns,
    min(start_date) AS first_flight_starts,
    max(end_date) AS last_flight_ends,
    max(bid) AS highest_bid,
    min(bid) AS lowest_bid,
    quantileExact(0.5)(budget) AS median_budget,
    argMax(name, (budget, id)) AS largest_campaign
FROM bronze.campaign
GROUP BY advertiser_id
