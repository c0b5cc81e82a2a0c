-- kind: view
-- description: the shop by UTC day, currency and instant: created_at or processed_at, of orders as of refunds. Returns count on the day of the refund, as in Shopify's own reports; net = gross - discounts - returns
-- owner: shop
-- audit: not_null(date), unique(instant, date, currency)
SELECT
    instant,
    date,
    currency,
    sum(entry.orders) AS orders,
    sum(entry.gross) AS gross_sales,
    sum(entry.discounts) AS discounts,
    sum(entry.returns) AS returns,
    gross_sales - discounts - returns AS net_sales,
    sum(entry.shipping) AS shipping,
    sum(entry.tax) AS taxes,
    sum(entry.units) AS units,
    sum(entry.units_returned) AS units_returned,
    if(orders = 0, NULL, toFloat64(gross_sales - discounts) / orders) AS average_order_value,
    sum(entry.new_orders) AS orders_of_new_customers,
    sum(entry.repeat_orders) AS orders_of_returning_customers
FROM
(
    SELECT
        arrayJoin(['created_at', 'processed_at']) AS instant, toDate32(if(instant = 'created_at', created_at, processed_at), 'UTC') AS date, currency, toUInt64(1) AS orders, gross, discounts, toDecimal128(0, 4) AS returns, shipping, tax, units,
        toInt64(0) AS units_returned, toUInt64(ifNull(order_number_of_customer = 1, 0)) AS new_orders, toUInt64(ifNull(order_number_of_customer > 1, 0)) AS repeat_orders
    FROM analytics_shopify.order_values
    UNION ALL
    SELECT
        arrayJoin(['created_at', 'processed_at']) AS instant, toDate32(if(instant = 'created_at', refund.created_at, refund.processed_at), 'UTC') AS date, placed.currency AS currency, toUInt64(0) AS orders, toDecimal128(0, 4) AS gross, toDecimal128(0, 4) AS discounts,
        refund.refunded_subtotal AS returns, toDecimal64(0, 4) AS shipping, toDecimal64(0, 4) AS tax, toInt64(0) AS units,
        refund.refunded_units AS units_returned, toUInt64(0) AS new_orders, toUInt64(0) AS repeat_orders
    FROM data_shopify.order_refunds AS refund
    INNER JOIN data_shopify.orders AS placed ON placed.id = refund.order_id
    WHERE NOT placed.is_test
) AS entry
GROUP BY instant, date, currency
