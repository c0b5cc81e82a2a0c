-- kind: view
-- description: checkouts by UTC day and currency: how many were left, how many of these recovered (completed, or an order of the same address within 72 hours)
-- owner: shop
-- audit: unique(date, currency)
SELECT
    toDate32(checkout.created_at, 'UTC') AS date,
    checkout.currency AS currency,
    count() AS checkouts,
    countIf(isNotNull(checkout.completed_at)) AS completed,
    checkouts - completed AS abandoned,
    countIf(isNull(checkout.completed_at) AND ordered > 0) AS recovered,
    sumIf(checkout.value, isNull(checkout.completed_at)) AS abandoned_value,
    sumIf(checkout.value, isNull(checkout.completed_at) AND ordered > 0) AS recovered_value
FROM
(
    SELECT
        c.id AS id, any(c.created_at) AS created_at, any(c.currency) AS currency, any(tuple(c.completed_at)).1 AS completed_at,
        any(ifNull(c.total_price, 0)) AS value,
        countIf(o.created_at >= c.created_at AND o.created_at < c.created_at + INTERVAL 72 HOUR) AS ordered
    FROM data_shopify.abandoned_checkouts AS c
    LEFT JOIN (SELECT assumeNotNull(one.email) AS email, one.created_at AS created_at FROM data_shopify.orders AS one WHERE one.email IS NOT NULL AND NOT one.is_test) AS o
        ON o.email = ifNull(c.email, '') AND o.email != ''
    GROUP BY id
) AS checkout
GROUP BY date, currency
