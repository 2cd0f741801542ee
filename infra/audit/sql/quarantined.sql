-- Records of a topic that the loader could not load.
SELECT kafka_partition, kafka_offset, key, value, error
FROM ${database}.quarantine
WHERE topic = '${topic}' AND kafka_offset >= 0
ORDER BY kafka_partition, kafka_offset
LIMIT ${limit}
