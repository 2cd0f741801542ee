-- There is an order for each OrderPlaced, and no other
-- Held orders, whose events could not be folded, are named, too.

SELECT order_id, of_order, of_event
FROM (SELECT order_id, 1 AS of_order FROM orders FINAL WHERE position <= {upto:UInt64}) AS o
FULL JOIN (
    SELECT stream AS order_id, count() AS of_event FROM events WHERE type = 'OrderPlaced' AND position <= {upto:UInt64} GROUP BY stream
) AS placed USING order_id
WHERE of_order != of_event
  AND order_id NOT IN (SELECT order_id FROM orders FINAL WHERE position > {upto:UInt64})
