-- description: one merchant by day, newest first
-- param merchant_id UUID required "Merchant"
SELECT date, merchant_name, transactions, revenue_eur, unique_customers
FROM reporting.merchant_metrics
WHERE merchant_id = {merchant_id:UUID}
ORDER BY date DESC
