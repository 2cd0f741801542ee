-- An instrument's figures are those of its trades
-- Orders, trades, volume and turnover.

SELECT instrument_id, said, are
FROM (
    SELECT instrument_id, (toUInt64(i.orders), toUInt64(i.trades), toUInt64(i.volume), i.turnover) AS said
    FROM instruments AS i FINAL
    WHERE position <= {upto:UInt64}
) AS i
FULL JOIN (
    SELECT instrument_id, (countIf(type = 'OrderPlaced'), countIf(traded), sumIf(lots, traded), sumIf(lots * price, traded)) AS are
    FROM (
        SELECT stream AS instrument_id, type, type = 'OrderFilled' AND JSONExtractString(data, 'role') = 'taker' AS traded,
               JSONExtractUInt(data, 'quantity') AS lots, JSONExtractInt(data, 'price') AS price
        FROM events
        WHERE position <= {upto:UInt64}
    )
    GROUP BY instrument_id
) AS e USING instrument_id
WHERE said != are
  AND instrument_id NOT IN (SELECT instrument_id FROM instruments FINAL WHERE position > {upto:UInt64})
