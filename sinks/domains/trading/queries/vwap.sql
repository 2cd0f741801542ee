-- Volume-weighted average price
-- Turnover by volume, in ticks, of each minute, hour or day (UTC) and from the period's first one on.
-- :instrument String  The instrument.
-- :width String = day  minute, hour or day.
-- :from Date32 = 1970-01-01  First day.
-- :to Date32 = 2105-12-31  Last day.
-- :limit UInt32 = 1000  How many rows, the first of the period.

SELECT start, v AS volume, toDecimal64(toDecimal128(t, 4) / v, 4) AS vwap,
       toDecimal64(toDecimal128(sum(t) OVER since, 4) / sum(v) OVER since, 4) AS vwap_since_first
FROM (
    SELECT start, sum(c.volume) AS v, sum(c.turnover) AS t
    FROM candles AS c
    WHERE instrument_id = {instrument:String} AND width = {width:String}
      AND toDate32(start) BETWEEN {from:Date32} AND {to:Date32}
    GROUP BY start
)
WINDOW since AS (ORDER BY start ROWS UNBOUNDED PRECEDING)
ORDER BY start
LIMIT {limit:UInt32}
