-- Extremes of each sensor
-- The lowest and the highest reading of a period, and when each was first reached.
-- :measure String = temperature  What is measured.
-- :from Date32 = 1970-01-01  First day, UTC.
-- :to Date32 = 2199-12-31  Last day, UTC.

SELECT sensor_id, any(unit) AS unit, min(r.value) AS lowest, argMin(at, (r.value, at)) AS lowest_at,
       max(r.value) AS highest, argMin(at, (-r.value, at)) AS highest_at
FROM readings AS r
INNER JOIN (SELECT sensor_id, unit FROM sensors FINAL) AS s USING sensor_id
WHERE r.measure = {measure:String} AND toDate32(at) BETWEEN {from:Date32} AND {to:Date32}
GROUP BY sensor_id
ORDER BY sensor_id
