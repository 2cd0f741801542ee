-- The highest Kafka offset of a partition that a table has rows of; null when it has none.
SELECT maxOrNull(kafka_offset) FROM ${table} WHERE kafka_partition = ${partition} AND ${also}
