-- Percentiles by day
-- Of one sensor: how values were spread on each day (UTC). A percentile is the lower edge of its class (0.1 °C, for example).
-- :sensor String  The sensor.
-- :from Date32 = 1970-01-01  First day, UTC.
-- :to Date32 = 2199-12-31  Last day, UTC.

SELECT toDate32(start) AS day, readings, lowest, p10, p50, p90, p99, highest, mean, final
FROM daily FINAL
WHERE sensor_id = {sensor:String} AND toDate32(start) BETWEEN {from:Date32} AND {to:Date32}
ORDER BY day
