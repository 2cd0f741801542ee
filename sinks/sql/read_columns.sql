-- The tables and views of the current database with their columns, in order, but for what the loader keeps for itself.
SELECT table, name, type
FROM system.columns
WHERE database = currentDatabase() AND name NOT IN ('is_deleted', 'kafka_partition', 'kafka_offset')
ORDER BY table, position
