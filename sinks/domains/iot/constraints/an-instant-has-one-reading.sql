-- A sensor has one reading of an instant
-- What came twice counts once.

SELECT sensor_id, at, count() AS readings
FROM readings
WHERE position <= {upto:UInt64}
GROUP BY sensor_id, at
HAVING readings > 1
