-- How far each partition of some topics is loaded, and when that position was appended. What an earlier epoch said
-- does not count: its rows may be gone.
SELECT topic, kafka_partition, max((epoch, position)).2 AS upto, argMax(time, (epoch, position))
FROM progress
WHERE topic IN {topics:Array(String)}
GROUP BY topic, kafka_partition
