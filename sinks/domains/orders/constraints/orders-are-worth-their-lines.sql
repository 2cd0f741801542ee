-- An order's total and items are the sums of its lines
-- As they were placed, whatever became of the order.

SELECT order_id, o.total AS total, o.items AS items, lines_total, lines_items
FROM (SELECT * FROM orders FINAL WHERE position <= {upto:UInt64}) AS o
JOIN (
    SELECT stream AS order_id,
           arraySum(line -> JSONExtract(line, 'price', 'amount', 'Decimal(18, 2)'), JSONExtractArrayRaw(data, 'lines')) AS lines_total,
           arraySum(line -> JSONExtractUInt(line, 'quantity'), JSONExtractArrayRaw(data, 'lines')) AS lines_items
    FROM events
    WHERE type = 'OrderPlaced' AND position <= {upto:UInt64}
) AS placed USING order_id
WHERE total != lines_total OR items != lines_items
