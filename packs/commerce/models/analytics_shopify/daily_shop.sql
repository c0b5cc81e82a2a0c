-- kind: view
-- description: the shop by UTC day (created_at of orders and of refunds) and currency. Returns count on the day of the refund, as in Shopify's own reports; net = gross - discounts - returns
-- owner: shop
-- audit: not_null(date), unique(date, currency)
SELECT
    date, currency, orders, gross_sales, discounts, returns, net_sales, shipping, taxes, units, units_returned, average_order_value,
    orders_of_new_customers, orders_of_returning_customers
FROM analytics_shopify.shop_days
WHERE instant = 'created_at'
