-- No more of a product is ordered than came into the stock
-- Of products of the catalogue; cancelled orders give their pieces back.

SELECT sku, toInt64(supplied) - toInt64(ordered) AS stock
FROM (SELECT sku, supplied FROM products FINAL) AS p
JOIN (
    SELECT JSONExtractString(line, 'sku') AS sku, sum(JSONExtractUInt(line, 'quantity')) AS ordered
    FROM (
        SELECT arrayJoin(JSONExtractArrayRaw(data, 'lines')) AS line
        FROM events
        WHERE type = 'OrderPlaced' AND position <= {upto:UInt64}
          AND stream NOT IN (SELECT stream FROM events WHERE type = 'OrderCancelled')
    )
    GROUP BY sku
) AS taken USING sku
WHERE stock < 0 AND sku NOT IN (SELECT sku FROM products FINAL WHERE position > {upto:UInt64})
