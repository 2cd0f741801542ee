-- The lots of an order are conserved
-- Filled, open and cancelled lots make its quantity, what was filled is the sum of its fills, and none is left in an order that has ended.

SELECT order_key, said, are
FROM (
    SELECT order_key, toUInt64(o.filled) AS said, toUInt64(o.filled + o.open + o.cancelled = o.quantity AND (o.status = 'open') = (o.open > 0)) AS whole
    FROM orders AS o FINAL
    WHERE position <= {upto:UInt64}
) AS s
FULL JOIN (
    SELECT concat(stream, '/', JSONExtractString(data, 'order_id')) AS order_key,
           sumIf(JSONExtractUInt(data, 'quantity'), type = 'OrderFilled') AS are, 1 AS there
    FROM events
    WHERE type IN ('OrderPlaced', 'OrderFilled') AND position <= {upto:UInt64}
    GROUP BY order_key
) AS e USING order_key
WHERE (said != are OR whole = 0 OR there = 0)
  AND order_key NOT IN (SELECT order_key FROM orders FINAL WHERE position > {upto:UInt64})
