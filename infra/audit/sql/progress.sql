-- How far each partition of a topic is loaded; see sinks/sql/read_progress.sql.
SELECT kafka_partition, max((epoch, position)).2
FROM ${database}.progress
WHERE topic = '${topic}'
GROUP BY kafka_partition
