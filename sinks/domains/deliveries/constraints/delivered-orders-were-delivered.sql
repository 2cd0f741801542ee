-- An order that counts as delivered has a completed delivery
-- Of orders that have a delivery at all; the steps of others are recorded by hand.

SELECT order_id, o.status AS status, d.status AS delivery
FROM (SELECT order_id, status FROM ${orders}.orders FINAL WHERE position <= {upto_orders:UInt64}) AS o
JOIN (SELECT order_id, status FROM deliveries FINAL WHERE position <= {upto:UInt64}) AS d USING order_id
WHERE (status = 'delivered' AND delivery != 'completed')
   OR (status = 'shipped' AND delivery NOT IN ('dispatched', 'completed', 'failed'))
   OR (status = 'cancelled' AND delivery = 'completed')
