-- Top of the book
-- Best bid and ask of each instrument in ticks, the spread, the last price, and how much was traded.
-- :limit UInt32 = 100  How many instruments, those of the most volume first.

SELECT instrument_id, currency, decimals, bid, ask, ask - bid AS spread, last_price, i.trades AS trades, i.volume AS volume
FROM instruments AS i FINAL
LEFT JOIN (
    SELECT instrument_id, maxIf(price, side = 'buy') AS bid, minIf(price, side = 'sell') AS ask
    FROM orders FINAL
    WHERE status = 'open' AND kind = 'limit'
    GROUP BY instrument_id
) AS best USING instrument_id
ORDER BY volume DESC, instrument_id
LIMIT {limit:UInt32}
