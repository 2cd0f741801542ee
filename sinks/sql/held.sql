-- How many rows a table has of a run of offsets, and how many different ones.
SELECT count(), uniqExact(${identity})
FROM ${table}
WHERE kafka_partition = ${partition} AND kafka_offset >= ${start} AND kafka_offset < ${to} AND ${also}
