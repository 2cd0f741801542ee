-- The columns of one loaded row.
SELECT ${columns} FROM ${table} FINAL WHERE kafka_partition = ${partition} AND kafka_offset = ${offset} LIMIT 1
