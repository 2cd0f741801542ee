-- The loaded rows of some groups of keys.
SELECT key, kafka_offset, digest FROM (${items}) WHERE CRC32(key) % ${groups} IN (${wanted})
