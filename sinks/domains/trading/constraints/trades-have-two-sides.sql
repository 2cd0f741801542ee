-- Every trade has two sides
-- Two fills of one price and quantity: one that bought and one that sold, one that waited and one that came.

SELECT stream, trade, fills
FROM (
    SELECT stream, JSONExtractUInt(data, 'trade') AS trade, count() AS fills,
           uniqExact(JSONExtractInt(data, 'price'), JSONExtractUInt(data, 'quantity')) AS terms,
           uniqExact(JSONExtractString(data, 'side')) AS sides, uniqExact(JSONExtractString(data, 'role')) AS roles,
           uniqExact(JSONExtractString(data, 'trader_id')) AS traders
    FROM events
    WHERE type = 'OrderFilled' AND position <= {upto:UInt64}
    GROUP BY stream, trade
)
WHERE (fills, terms, sides, roles, traders) != (2, 1, 2, 2, 2)
