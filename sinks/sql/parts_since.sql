-- How many parts a table got at most since the first row of a run of offsets: the numbers of blocks grow with each insert.
-- Null when it has no such row.
SELECT if(isNull(first), NULL, toInt64(last) - first)
FROM (
    SELECT maxOrNull(max_block_number) AS last,
           minOrNullIf(toInt64(min_block_number), name IN (
               SELECT DISTINCT _part FROM ${table}
               WHERE kafka_partition = ${partition} AND kafka_offset >= ${start} AND kafka_offset < ${to} AND ${also}
           )) AS first
    FROM system.parts
    WHERE active AND database = '${database}' AND table = '${unqualified}'
)
