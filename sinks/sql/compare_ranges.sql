-- Digests of a table's last rows, by partition and range of keys.
SELECT kafka_partition, cityHash64(${key}) % ${ranges} AS key_range, count(), sum(cityHash64(toString((${columns}))))
FROM ${table} FINAL
GROUP BY kafka_partition, key_range
