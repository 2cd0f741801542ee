-- All partitions of a topic are loaded.

INSERT INTO ${events}.progress (topic, epoch, kafka_partition, position, time, kafka_offset)
SELECT '${topic}', 'filled', number, ${position}, '${moment}', ${position} FROM numbers(${partitions});
