-- Anomalies
-- Readings far from what the streaming statistic of their sensor expected, the most deviations off first.
-- :measure String = temperature  What is measured.
-- :from Date32 = 1970-01-01  First day, UTC.
-- :to Date32 = 2199-12-31  Last day, UTC.
-- :limit UInt32 = 100  How many.

SELECT sensor_id, at, value, expected, deviation, round(toFloat64(abs(value - expected)) / toFloat64(deviation), 2) AS deviations
FROM readings
WHERE anomalous AND measure = {measure:String} AND toDate32(at) BETWEEN {from:Date32} AND {to:Date32}
ORDER BY deviations DESC, sensor_id, at
LIMIT {limit:UInt32}
