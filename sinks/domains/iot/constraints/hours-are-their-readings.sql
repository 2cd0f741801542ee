-- An hour's figures are those of its readings
-- Those that counted and those that came too late are all there are; the sum is theirs.

SELECT sensor_id, start, said, readings, late, are, sum
FROM (
    SELECT sensor_id, start, readings + late AS said, readings, late, total
    FROM hourly AS w FINAL
    WHERE position <= {upto:UInt64}
) AS w
LEFT JOIN (
    SELECT sensor_id, toDateTime64(toStartOfHour(at), 6, 'UTC') AS start, count() AS are, toDecimal128(sum(value), 3) AS sum, min(value) AS least, max(value) AS most
    FROM readings
    WHERE position <= {upto:UInt64}
    GROUP BY sensor_id, start
) AS r USING (sensor_id, start)
WHERE said != are OR (late = 0 AND total != sum)
