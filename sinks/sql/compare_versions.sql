-- All versions of the rows of some ranges of keys that are not merged away yet, each column as text.
SELECT ${key}, [${columns}]
FROM ${table}
WHERE (kafka_partition, cityHash64(${key}) % ${ranges}) IN (${places}) AND NOT is_deleted
