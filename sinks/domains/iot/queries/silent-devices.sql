-- Silent devices
-- Sensors in service that have sent nothing for several of their intervals, as of an instant; the longest silent first.
-- :at DateTime64(6)  The instant.
-- :intervals UInt32 = 3  Silent for more than so many of the sensor's own intervals.
-- :limit UInt32 = 100  How many sensors.

SELECT sensor_id, site, measure, every_seconds, nullIf(heard, toDateTime64('1970-01-01 00:00:00', 6, 'UTC')) AS last_at,
       dateDiff('second', greatest(installed_at, heard), {at:DateTime64(6)}) AS silent_seconds
FROM (SELECT * FROM sensors FINAL WHERE installed_at <= {at:DateTime64(6)} AND (retired_at IS NULL OR retired_at > {at:DateTime64(6)})) AS s
LEFT JOIN (SELECT sensor_id, max(r.at) AS heard FROM readings AS r WHERE r.at <= {at:DateTime64(6)} GROUP BY sensor_id) AS r
USING sensor_id
WHERE silent_seconds > {intervals:UInt32} * every_seconds
ORDER BY silent_seconds DESC, sensor_id
LIMIT {limit:UInt32}
