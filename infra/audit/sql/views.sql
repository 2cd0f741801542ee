-- The materialized views of a database: their names, the query that fills them, and how they were made.
SELECT name, as_select, create_table_query
FROM system.tables
WHERE database = '${database}' AND engine = 'MaterializedView'
ORDER BY name
