-- A sensor's figures are those of its readings
-- How many there are, how many are anomalous, and their sum.

SELECT sensor_id, said, are
FROM (
    SELECT sensor_id, (readings, anomalies, total) AS said FROM sensors AS s FINAL WHERE position <= {upto:UInt64} AND readings > 0
) AS s
FULL JOIN (
    SELECT sensor_id, (count(), countIf(anomalous), toDecimal128(sum(value), 3)) AS are
    FROM readings
    WHERE position <= {upto:UInt64}
    GROUP BY sensor_id
) AS r USING sensor_id
WHERE said != are AND sensor_id NOT IN (SELECT sensor_id FROM sensors FINAL WHERE position > {upto:UInt64})
