-- Loaded rows of an aggregate in one partition one by one, as of their last version: names and digests.
SELECT ${key} AS key, kafka_offset, position, reinterpretAsUInt64(reverse(substring(SHA256(${text}), 1, 8))) AS digest
FROM ${table} FINAL
WHERE kafka_partition = ${partition} AND kafka_offset >= ${first}
