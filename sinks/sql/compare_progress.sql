-- How far each partition of all topics of a domain is loaded. What an earlier epoch said does not count.
SELECT topic, kafka_partition, max((epoch, position)).2
FROM ${database}.progress
GROUP BY topic, kafka_partition
