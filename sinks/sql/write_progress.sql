-- How far partitions of a topic are loaded.
INSERT INTO ${database}.progress (topic, epoch, kafka_partition, position, time, kafka_offset) VALUES
