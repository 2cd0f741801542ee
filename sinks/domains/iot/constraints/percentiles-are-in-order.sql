-- Percentiles are in order
-- Between the lowest and the highest reading of their day; the mean, too.

SELECT sensor_id, start, lowest, p10, p50, p90, p99, highest, mean
FROM daily FINAL
WHERE position <= {upto:UInt64} AND NOT (p10 <= p50 AND p50 <= p90 AND p90 <= p99 AND p99 <= highest AND lowest <= mean AND mean <= highest)
