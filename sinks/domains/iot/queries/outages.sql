-- Outages
-- Gaps between two readings of a sensor that are longer than several of its intervals; the longest first.
-- :measure String = temperature  What is measured.
-- :from Date32 = 1970-01-01  First day, UTC.
-- :to Date32 = 2199-12-31  Last day, UTC.
-- :intervals UInt32 = 3  Gaps of more than so many of the sensor's own intervals.
-- :limit UInt32 = 100  How many gaps.

SELECT sensor_id, since, until, dateDiff('second', since, until) AS seconds
FROM
(
    SELECT sensor_id, at AS until, lagInFrame(at, 1, at) OVER (PARTITION BY sensor_id ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS since
    FROM readings
    WHERE measure = {measure:String} AND toDate32(at) BETWEEN {from:Date32} AND {to:Date32}
) AS r
INNER JOIN (SELECT sensor_id, every_seconds FROM sensors FINAL) AS s USING sensor_id
WHERE seconds > {intervals:UInt32} * every_seconds
ORDER BY seconds DESC, sensor_id, since
LIMIT {limit:UInt32}
