-- description: what one customer is worth, by currency
-- param customer_id Int64 required "the shop's id of the customer"
SELECT * FROM analytics_shopify.customers WHERE customer_id = {customer_id:Int64} ORDER BY currency
