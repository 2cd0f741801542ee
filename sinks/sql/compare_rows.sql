-- The last rows of some ranges of keys, each column as text.
SELECT ${key}, [${columns}]
FROM ${table} FINAL
WHERE (kafka_partition, cityHash64(${key}) % ${ranges}) IN (${places})
