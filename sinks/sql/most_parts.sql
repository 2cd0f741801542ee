-- Parts of the fullest partition of any table of some databases.
SELECT max(parts)
FROM (
    SELECT count() AS parts FROM system.parts WHERE active AND database IN (${databases}) GROUP BY database, table, partition_id
)
