-- Stock
-- Products of the catalogue, how many pieces came into the stock, how many are ordered and not cancelled, and what is left.

SELECT sku, name, price, currency, supplied, ordered, supplied - ordered AS stock
FROM (SELECT * FROM products FINAL WHERE withdrawn_at IS NULL) AS catalogue
LEFT JOIN (
    SELECT JSONExtractString(line, 'sku') AS sku, sum(JSONExtractUInt(line, 'quantity')) AS ordered
    FROM (
        SELECT arrayJoin(JSONExtractArrayRaw(data, 'lines')) AS line
        FROM events
        WHERE type = 'OrderPlaced' AND stream NOT IN (SELECT order_id FROM orders FINAL WHERE status = 'cancelled')
    )
    GROUP BY sku
) AS taken USING sku
ORDER BY sku
