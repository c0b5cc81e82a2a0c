-- description: the lines of one order, with what came back
-- param order_id Int64 required "the shop's id of the order"
SELECT * FROM data_shopify.order_line_items WHERE order_id = {order_id:Int64} ORDER BY id
