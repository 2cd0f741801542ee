-- The tables of a database as the engine has them.
SELECT name, engine, partition_key, sorting_key, as_select, create_table_query
FROM system.tables
WHERE database = '${database}' AND NOT startsWith(name, '.inner')
