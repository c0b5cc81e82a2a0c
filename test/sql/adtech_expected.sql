-- What every model of the adtech pack must show, computed in Postgres from the source tables alone and written
-- independently of the models: joins and windows here, where the models keep counts. One query per model, after its name;
-- columns in the model's order. test/harness/adtech.mjs compares by value.

-- model: analytics.dim_advertiser
SELECT id, name, updated_at, created_at FROM advertiser

-- model: analytics.dim_campaign
SELECT id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at FROM campaign

-- model: analytics.fact_impressions
SELECT id, campaign_id, created_at::date, created_at, created_at FROM impressions

-- model: analytics.fact_clicks
SELECT id, campaign_id, created_at::date, created_at, created_at FROM clicks

-- model: analytics.impressions_by_minute
SELECT date_trunc('minute', created_at), count(*) FROM impressions GROUP BY 1

-- model: analytics.clicks_by_minute
SELECT date_trunc('minute', created_at), count(*) FROM clicks GROUP BY 1

-- model: analytics.campaign_traffic_daily
SELECT campaign_id, created_at::date, count(*) FILTER (WHERE shown), count(*) FILTER (WHERE NOT shown)
FROM (SELECT campaign_id, created_at, true AS shown FROM impressions
      UNION ALL SELECT campaign_id, created_at, false FROM clicks) AS events
GROUP BY 1, 2

-- model: analytics.campaign_traffic
SELECT campaign.id, campaign.name, advertiser_id, bid, budget, start_date, end_date,
       (SELECT count(*) FROM impressions WHERE campaign_id = campaign.id),
       (SELECT count(*) FROM clicks WHERE campaign_id = campaign.id)
FROM campaign

-- model: analytics.mv_campaign_ctr
SELECT campaign.id, campaign.name, coalesce(advertiser.name, ''), shown, clicked,
       CASE WHEN shown = 0 THEN 0 ELSE clicked::float8 / shown END
FROM campaign
LEFT JOIN advertiser ON advertiser.id = campaign.advertiser_id
CROSS JOIN LATERAL (SELECT count(*) AS shown FROM impressions WHERE campaign_id = campaign.id) AS i
CROSS JOIN LATERAL (SELECT count(*) AS clicked FROM clicks WHERE campaign_id = campaign.id) AS c

-- model: analytics.mv_daily_performance
SELECT day, coalesce(shown, 0), coalesce(clicked, 0),
       CASE WHEN coalesce(shown, 0) = 0 THEN 0 ELSE coalesce(clicked, 0)::float8 / shown END
FROM (SELECT created_at::date AS day, count(*) AS shown FROM impressions GROUP BY 1) AS i
FULL JOIN (SELECT created_at::date AS day, count(*) AS clicked FROM clicks GROUP BY 1) AS c USING (day)

-- model: analytics.mv_campaign_daily_performance
SELECT day, campaign_id, campaign.name, coalesce(shown, 0), coalesce(clicked, 0),
       CASE WHEN coalesce(shown, 0) = 0 THEN 0 ELSE coalesce(clicked, 0)::float8 / shown END
FROM (SELECT campaign_id, created_at::date AS day, count(*) AS shown FROM impressions GROUP BY 1, 2) AS i
FULL JOIN (SELECT campaign_id, created_at::date AS day, count(*) AS clicked FROM clicks GROUP BY 1, 2) AS c
     USING (campaign_id, day)
JOIN campaign ON campaign.id = campaign_id

-- model: analytics.mv_campaign_efficiency
SELECT campaign.id, campaign.name, bid, shown, clicked,
       CASE WHEN clicked > 0 THEN (bid * shown)::float8 / clicked END
FROM campaign
CROSS JOIN LATERAL (SELECT count(*) AS shown FROM impressions WHERE campaign_id = campaign.id) AS i
CROSS JOIN LATERAL (SELECT count(*) AS clicked FROM clicks WHERE campaign_id = campaign.id) AS c

-- model: analytics.mv_advertiser_performance
SELECT id, name, campaigns, budgets, shown, clicked, CASE WHEN shown = 0 THEN 0 ELSE clicked::float8 / shown END
FROM advertiser
CROSS JOIN LATERAL (SELECT count(*) AS campaigns, coalesce(sum(budget), 0) AS budgets
                    FROM campaign WHERE advertiser_id = advertiser.id) AS owned
CROSS JOIN LATERAL (SELECT count(*) AS shown FROM impressions JOIN campaign ON campaign.id = campaign_id
                    WHERE advertiser_id = advertiser.id) AS i
CROSS JOIN LATERAL (SELECT count(*) AS clicked FROM clicks JOIN campaign ON campaign.id = campaign_id
                    WHERE advertiser_id = advertiser.id) AS c

-- model: analytics.live_ctr
SELECT minute, coalesce(shown, 0), coalesce(clicked, 0),
       CASE WHEN coalesce(shown, 0) = 0 THEN 0 ELSE coalesce(clicked, 0)::float8 / shown END
FROM (SELECT date_trunc('minute', created_at) AS minute, count(*) AS shown FROM impressions GROUP BY 1) AS i
FULL JOIN (SELECT date_trunc('minute', created_at) AS minute, count(*) AS clicked FROM clicks GROUP BY 1) AS c USING (minute)

-- model: analytics.campaign_pacing
SELECT id, name, advertiser_name, budget, spend, used, start_date, end_date, days, elapsed, flight,
       CASE WHEN flight = 0 THEN 0 ELSE used / flight END,
       CASE WHEN spend > budget THEN 'over budget'
            WHEN elapsed = 0 THEN 'planned'
            WHEN elapsed = days AND end_date < today THEN 'ended'
            WHEN used > flight * 1.1::float8 THEN 'ahead'
            WHEN used < flight * 0.9::float8 THEN 'behind'
            ELSE 'on track' END
FROM (SELECT *, CASE WHEN budget = 0 THEN 0 ELSE spend::float8 / budget::float8 END AS used, elapsed::float8 / days AS flight
      FROM (SELECT campaign.*, coalesce(advertiser.name, '') AS advertiser_name, bid * shown AS spend, today,
                   greatest(end_date - start_date + 1, 1) AS days,
                   least(greatest(today - start_date + 1, 0), greatest(end_date - start_date + 1, 1)) AS elapsed
            FROM campaign
            LEFT JOIN advertiser ON advertiser.id = advertiser_id
            CROSS JOIN (SELECT (now() AT TIME ZONE 'utc')::date AS today) AS clock
            CROSS JOIN LATERAL (SELECT count(*) AS shown FROM impressions WHERE campaign_id = campaign.id) AS i) AS spent) AS paced

-- model: analytics.campaign_activity
SELECT campaign_id, min(day), max(day), count(*),
       (array_agg(day ORDER BY shown DESC, day DESC))[1], max(shown)
FROM (SELECT campaign_id, created_at::date AS day, count(*) AS shown FROM impressions GROUP BY 1, 2) AS daily
GROUP BY 1

-- model: analytics.top_movers
SELECT id, name, shown, shown_before, ctr, ctr_before, ctr - ctr_before
FROM (SELECT campaign.id, campaign.name, shown, shown_before,
             CASE WHEN shown = 0 THEN 0 ELSE clicked::float8 / shown END AS ctr,
             CASE WHEN shown_before = 0 THEN 0 ELSE clicked_before::float8 / shown_before END AS ctr_before
      FROM campaign
      JOIN (SELECT campaign_id,
                   count(*) FILTER (WHERE seen AND recent) AS shown,
                   count(*) FILTER (WHERE NOT seen AND recent) AS clicked,
                   count(*) FILTER (WHERE seen AND NOT recent) AS shown_before,
                   count(*) FILTER (WHERE NOT seen AND NOT recent) AS clicked_before
            FROM (SELECT campaign_id, seen, created_at::date > today - 7 AS recent
                  FROM (SELECT campaign_id, created_at, true AS seen FROM impressions
                        UNION ALL SELECT campaign_id, created_at, false FROM clicks) AS events
                  CROSS JOIN (SELECT (now() AT TIME ZONE 'utc')::date AS today) AS clock
                  WHERE created_at::date > today - 14 AND created_at::date <= today) AS fortnight
            GROUP BY 1) AS weeks ON weeks.campaign_id = campaign.id) AS rates

-- model: analytics.advertiser_portfolio
SELECT advertiser_id, count(*), min(start_date), max(end_date), max(bid), min(bid),
       (array_agg(budget ORDER BY budget))[count(*) / 2 + 1],
       (array_agg(name ORDER BY budget DESC, id DESC))[1]
FROM campaign
GROUP BY advertiser_id
