-- model: cdp.customer_orders
-- description: orders of customers that the shop does not have
SELECT id FROM bronze.orders WHERE customer_id NOT IN (SELECT id FROM bronze.customers)
