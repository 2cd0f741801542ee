-- Rejected readings
-- How many readings of each sensor do not count, and why.
-- :limit UInt32 = 100  How many lines, the most readings first.

SELECT stream AS sensor_id, JSONExtractString(data, 'reason') AS reason, count() AS readings
FROM events
WHERE type = 'ReadingRejected'
GROUP BY sensor_id, reason
ORDER BY readings DESC, sensor_id, reason
LIMIT {limit:UInt32}
