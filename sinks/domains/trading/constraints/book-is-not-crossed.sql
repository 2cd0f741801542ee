-- No book is crossed
-- The best open bid of an instrument is below its best open ask.

SELECT instrument_id, bid, ask
FROM (
    SELECT instrument_id, maxIf(price, side = 'buy') AS bid, minIf(price, side = 'sell') AS ask
    FROM orders FINAL
    WHERE status = 'open' AND kind = 'limit'
    GROUP BY instrument_id
)
WHERE bid >= ask
  AND instrument_id NOT IN (SELECT instrument_id FROM orders FINAL WHERE position > {upto:UInt64})
