-- kind: view
-- description: refunds by UTC day and currency of the order: goods, tax, money paid back, how long after the order
-- owner: shop
-- audit: unique(date, currency)
SELECT
    toDate32(refund.created_at, 'UTC') AS date, placed.currency AS currency, count() AS refunds, uniqExact(refund.order_id) AS orders,
    sum(refund.refunded_units) AS units, sum(refund.refunded_subtotal) AS goods, sum(refund.refunded_tax) AS tax,
    sum(refund.adjusted) AS adjustments, sum(refund.paid_back) AS paid_back,
    avg(dateDiff('day', placed.created_at, refund.created_at)) AS days_after_order
FROM data_shopify.order_refunds AS refund
INNER JOIN analytics_shopify.order_values AS placed ON placed.order_id = refund.order_id
GROUP BY date, currency
