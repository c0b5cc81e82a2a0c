-- kind: view
-- description: what a customer is worth, by currency: orders, net of what came back, recency, frequency and value in fifths of all customers of the currency. Recency is as of the newest order
-- owner: shop
-- audit: unique(customer_id, currency)
SELECT
    customer_id,
    currency,
    orders,
    gross_sales,
    discounts,
    returns,
    net_sales,
    toFloat64(net_sales) / orders AS average_order_value,
    first_order_at,
    last_order_at,
    dateDiff('day', last_order_at, max(last_order_at) OVER ()) AS days_since_order,
    if(orders < 2, NULL, dateDiff('second', first_order_at, last_order_at) / 86400 / (orders - 1)) AS days_between_orders,
    toBool(days_since_order > if(isNull(days_between_orders), 90, 2 * greatest(assumeNotNull(days_between_orders), 7))) AS is_at_risk,
    toUInt8(ntile(5) OVER (PARTITION BY currency ORDER BY last_order_at, customer_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS recency,
    toUInt8(ntile(5) OVER (PARTITION BY currency ORDER BY orders, customer_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS frequency,
    toUInt8(ntile(5) OVER (PARTITION BY currency ORDER BY net_sales, customer_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS monetary
FROM
(
    SELECT
        assumeNotNull(placed.customer_id) AS customer_id, placed.currency AS currency, count() AS orders, sum(placed.gross) AS gross_sales,
        sum(placed.discounts) AS discounts, sum(placed.returns) AS returns, sum(placed.net) AS net_sales,
        min(placed.created_at) AS first_order_at, max(placed.created_at) AS last_order_at
    FROM analytics_shopify.order_values AS placed
    WHERE placed.customer_id IS NOT NULL
    GROUP BY customer_id, currency
)
