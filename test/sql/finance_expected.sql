-- What every model of the finance pack must show, computed in Postgres from the source tables alone and written
-- independently of the models: a rate is looked up for each payment, nothing is kept by changes. One query per model,
-- after its name; columns in the model's order. test/harness/pack.mjs compares by value.

-- shared: temporary tables, made once
CREATE TEMP TABLE iso (spelling, code) AS (
  SELECT unnest(ARRAY[upper(name), alpha3, code]), code FROM (VALUES
    ('Germany', 'DEU', 'DE'), ('France', 'FRA', 'FR'), ('United Kingdom', 'GBR', 'GB'), ('United States', 'USA', 'US'),
    ('Spain', 'ESP', 'ES'), ('Italy', 'ITA', 'IT'), ('Netherlands', 'NLD', 'NL'), ('Switzerland', 'CHE', 'CH'),
    ('Sweden', 'SWE', 'SE'), ('Poland', 'POL', 'PL'), ('Austria', 'AUT', 'AT'), ('Norway', 'NOR', 'NO'),
    ('Denmark', 'DNK', 'DK'), ('Canada', 'CAN', 'CA'), ('Japan', 'JPN', 'JP'), ('Brazil', 'BRA', 'BR'),
    ('India', 'IND', 'IN'), ('Nigeria', 'NGA', 'NG'), ('Singapore', 'SGP', 'SG'), ('Romania', 'ROU', 'RO')
  ) AS countries (name, alpha3, code)
);
CREATE TEMP TABLE holder AS (
  SELECT account_id, user_name, email, signup_date, (SELECT code FROM iso WHERE spelling = upper(btrim(country, ' ')) LIMIT 1) AS country
  FROM raw_accounts
);
CREATE TEMP TABLE fact AS (
  SELECT payment.*, payment.timestamp::date AS date, date_trunc('minute', payment.timestamp) AS minute, rate.rate,
         amount * rate.rate AS amount_eur, holder.country AS account_country, geo.country AS ip_country, geo.city, geo.is_proxy_or_vpn
  FROM raw_transactions AS payment
  LEFT JOIN LATERAL (
    SELECT CASE WHEN payment.currency = 'EUR' THEN 1 ELSE (
      SELECT rate_to_eur FROM raw_fx_rates AS published
      WHERE published.currency = payment.currency AND published.date <= payment.timestamp::date
      ORDER BY published.date DESC LIMIT 1) END AS rate) AS rate ON true
  LEFT JOIN holder ON holder.account_id = payment.account_id
  LEFT JOIN raw_ip_geo AS geo ON geo.ip = payment.ip
);
CREATE TEMP TABLE features AS (
  SELECT account_id, date, count(*) AS num_txn, sum(amount_eur) AS daily_volume, max(amount_eur) AS max_txn,
         count(DISTINCT ip_country) AS countries, count(DISTINCT device_id) AS devices,
         count(*) FILTER (WHERE ip_country <> account_country) AS mismatches, count(*) FILTER (WHERE amount_eur > 1000) AS high,
         count(*) FILTER (WHERE is_proxy_or_vpn) AS proxies, count(*) FILTER (WHERE status = 'failed') AS failures
  FROM fact GROUP BY account_id, date
);
CREATE TEMP TABLE rules AS (
  SELECT account_id, date, num_txn, daily_volume, max_txn, points, reason, place
  FROM features CROSS JOIN LATERAL (VALUES
    (1, high >= 3 AND high * 5 > num_txn, 25, high || ' of ' || num_txn || ' over 1000 EUR'),
    (2, mismatches >= 3 AND mismatches * 10 > num_txn * 3, 20, mismatches || ' from another country'),
    (3, countries >= 4, 15, 'from ' || countries || ' countries'),
    (4, proxies >= 3 AND proxies * 10 > num_txn * 3, 20, proxies || ' through a proxy'),
    (5, devices >= 4, 10, 'with ' || devices || ' devices'),
    (6, failures >= 3 AND failures * 10 > num_txn * 3, 20, failures || ' failed')
  ) AS rule (place, holds, points, reason) WHERE holds
);
CREATE TEMP TABLE risk AS (
  SELECT features.account_id, features.date, least(100, coalesce(sum(points), 0)) AS score,
         array_remove(array_agg(reason ORDER BY place), NULL) AS reasons,
         features.num_txn, features.daily_volume, features.max_txn
  FROM features LEFT JOIN rules USING (account_id, date)
  GROUP BY features.account_id, features.date, features.num_txn, features.daily_volume, features.max_txn
);
CREATE TEMP TABLE velocity AS (
  SELECT account_id, as_of, count(*) FILTER (WHERE recent) AS txn_1h, count(*) AS txn_24h,
         sum(amount_eur) FILTER (WHERE recent) AS volume_1h, sum(amount_eur) AS volume_24h,
         count(*) FILTER (WHERE recent AND status = 'failed') AS failed_1h
  FROM (SELECT fact.*, as_of, minute > as_of - interval '1 hour' AS recent FROM fact
        CROSS JOIN (SELECT max(minute) AS as_of FROM fact WHERE minute <= now() AT TIME ZONE 'utc') AS newest
        WHERE minute <= as_of AND minute > as_of - interval '24 hours') AS last_day
  GROUP BY account_id, as_of
);

-- model: streams.transactions_raw
SELECT * FROM raw_transactions

-- model: streams.accounts_raw
SELECT * FROM raw_accounts

-- model: streams.merchants_raw
SELECT * FROM raw_merchants

-- model: streams.fx_rates_raw
SELECT * FROM raw_fx_rates

-- model: streams.ip_geo_raw
SELECT * FROM raw_ip_geo

-- model: analytics.transaction_rows
SELECT transaction_id, account_id, timestamp, timestamp::date, amount, currency, merchant_id, status, ip, device_id FROM raw_transactions

-- model: analytics.transactions
SELECT transaction_id, account_id, timestamp, date, amount_eur, currency, merchant_id, account_country, ip_country, city, is_proxy_or_vpn, device_id, status
FROM fact

-- model: analytics.fx_rates
SELECT currency, date, rate_to_eur FROM raw_fx_rates WHERE currency <> 'EUR'

-- model: analytics.ip_places
SELECT ip, country, city, is_proxy_or_vpn FROM raw_ip_geo

-- model: analytics.accounts
SELECT account_id, user_name, lower(btrim(email, ' ')), signup_date, (now() AT TIME ZONE 'utc')::date - signup_date, country FROM holder

-- model: analytics.account_countries
SELECT account_id, country FROM holder

-- model: analytics.merchants
SELECT merchant_id, merchant_name, merchant_category, country,
       (SELECT code FROM iso WHERE spelling = upper(btrim(country, ' ')) LIMIT 1), risk_rating
FROM raw_merchants

-- model: analytics.activity_daily
SELECT date, currency, count(*), count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failed'),
       sum(amount), coalesce(sum(amount) FILTER (WHERE status = 'success'), 0)
FROM fact GROUP BY 1, 2

-- model: analytics.activity_daily_eur
SELECT date, currency, count(*), count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failed'),
       rate, sum(amount_eur), CASE WHEN rate IS NOT NULL THEN coalesce(sum(amount_eur) FILTER (WHERE status = 'success'), 0) END
FROM fact GROUP BY date, currency, rate

-- model: analytics.activity_by_minute
SELECT minute, count(*), count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'pending')
FROM fact GROUP BY 1

-- model: analytics.account_activity_daily
SELECT date, account_id, currency, count(*), sum(amount) FROM fact WHERE status = 'success' GROUP BY 1, 2, 3

-- model: analytics.account_activity_by_minute
SELECT minute, account_id, currency, count(*), count(*) FILTER (WHERE status = 'failed'), sum(amount) FROM fact GROUP BY 1, 2, 3

-- model: analytics.merchant_activity_daily
SELECT date, merchant_id, currency, count(*), sum(amount) FROM fact WHERE status = 'success' GROUP BY 1, 2, 3

-- model: analytics.merchant_activity_daily_eur
SELECT date, merchant_id, currency, count(*), sum(amount_eur) FROM fact WHERE status = 'success' GROUP BY 1, 2, 3

-- model: analytics.merchant_customers_daily
SELECT date, merchant_id, account_id, count(*) FROM fact WHERE status = 'success' GROUP BY 1, 2, 3

-- model: reporting.daily_kpis
SELECT date, good, volume, avg_value, accounts, total, all_volume, bad, waiting,
       CASE WHEN good + bad = 0 THEN 0 ELSE bad::float8 / (good + bad) END, unpriced
FROM (
  SELECT date, count(*) FILTER (WHERE status = 'success') AS good,
         CASE WHEN count(*) FILTER (WHERE rate IS NOT NULL) > 0 THEN coalesce(sum(amount_eur) FILTER (WHERE status = 'success'), 0) END AS volume,
         avg(amount_eur) FILTER (WHERE status = 'success')::float8 AS avg_value,
         count(DISTINCT account_id) FILTER (WHERE status = 'success') AS accounts, count(*) AS total, sum(amount_eur) AS all_volume,
         count(*) FILTER (WHERE status = 'failed') AS bad, count(*) FILTER (WHERE status = 'pending') AS waiting,
         count(*) FILTER (WHERE rate IS NULL) AS unpriced
  FROM fact GROUP BY date) AS days

-- model: reporting.merchant_metrics
SELECT fact.merchant_id, max(merchant.merchant_name), date, count(*), sum(amount_eur), count(DISTINCT account_id)
FROM fact LEFT JOIN raw_merchants AS merchant ON merchant.merchant_id = fact.merchant_id
WHERE status = 'success' GROUP BY fact.merchant_id, date

-- model: reporting.category_daily
SELECT coalesce(merchant.merchant_category, 'unknown'), date, count(*), sum(amount_eur)
FROM fact LEFT JOIN raw_merchants AS merchant ON merchant.merchant_id = fact.merchant_id
WHERE status = 'success' GROUP BY 1, 2

-- model: reporting.country_daily
SELECT coalesce(account_country, '??'), date, count(*), sum(amount_eur), count(DISTINCT account_id)
FROM fact WHERE status = 'success' GROUP BY 1, 2

-- model: reporting.fraud_features
SELECT account_id, date, num_txn, daily_volume, max_txn, countries, devices, mismatches, high, proxies, failures FROM features

-- model: reporting.account_velocity
SELECT account_id, as_of, txn_1h, txn_24h, volume_1h, volume_24h, failed_1h FROM velocity

-- model: reporting.account_risk
SELECT account_id, date, score,
       '[' || coalesce((SELECT string_agg(quote_literal(reason), ',' ORDER BY place) FROM unnest(reasons) WITH ORDINALITY AS one (reason, place)), '') || ']',
       num_txn, daily_volume, max_txn
FROM risk

-- model: reporting.suspicious_accounts
SELECT account_id, user_name, country, date, score,
       '[' || coalesce((SELECT string_agg(quote_literal(reason), ',' ORDER BY place) FROM unnest(reasons) WITH ORDINALITY AS one (reason, place)), '') || ']',
       num_txn, daily_volume
FROM (
  SELECT DISTINCT ON (account_id) account_id, date, least(100, score + CASE WHEN fast THEN 20 ELSE 0 END) AS score,
         CASE WHEN fast THEN reasons || (txn_1h || ' in an hour') ELSE reasons END AS reasons, num_txn, daily_volume
  FROM (
    SELECT risk.*, txn_1h, coalesce(txn_1h >= 10 AND txn_1h * 2 > txn_24h AND risk.date = as_of::date, false) AS fast
    FROM risk LEFT JOIN velocity USING (account_id)
    WHERE risk.date <= (now() AT TIME ZONE 'utc')::date
      AND risk.date >= (SELECT max(date) FROM fact WHERE date <= (now() AT TIME ZONE 'utc')::date) - 1) AS days
  WHERE least(100, score + CASE WHEN fast THEN 20 ELSE 0 END) >= 50
  ORDER BY account_id, least(100, score + CASE WHEN fast THEN 20 ELSE 0 END) DESC, date DESC) AS worst
LEFT JOIN holder USING (account_id)
