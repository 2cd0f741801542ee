-- Candles
-- Open, high, low and close in ticks, volume in lots, turnover in ticks times lots, by minute, hour or day (UTC) of the trades.
-- :instrument String  The instrument.
-- :width String = hour  minute, hour or day.
-- :from Date32 = 1970-01-01  First day.
-- :to Date32 = 2105-12-31  Last day.
-- :limit UInt32 = 1000  How many candles, the first of the period.

SELECT start, min(c.opened).3 AS open, max(c.high) AS high, min(c.low) AS low, max(c.closed).3 AS close,
       sum(c.volume) AS volume, sum(c.turnover) AS turnover, sum(c.trades) AS trades
FROM candles AS c
WHERE instrument_id = {instrument:String} AND width = {width:String}
  AND toDate32(start) BETWEEN {from:Date32} AND {to:Date32}
GROUP BY start
ORDER BY start
LIMIT {limit:UInt32}
