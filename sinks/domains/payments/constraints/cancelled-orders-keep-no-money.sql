-- Of an order that was cancelled more than an hour ago in event time no money is kept
-- The refund follows the cancellation; an hour is its time for that.

SELECT order_id, cancelled_at, p.status AS payment, p.amount AS amount
FROM (
    SELECT order_id, cancelled_at FROM ${orders}.orders FINAL
    WHERE status = 'cancelled' AND position <= {upto_orders:UInt64}
      AND cancelled_at < (SELECT max(event_time) FROM events WHERE position <= {upto:UInt64}) - INTERVAL 1 HOUR
) AS o
JOIN (SELECT order_id, status, amount FROM payments FINAL WHERE position <= {upto:UInt64}) AS p USING order_id
WHERE payment = 'received'
