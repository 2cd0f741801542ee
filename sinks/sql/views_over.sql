-- Tables of a database that a materialized view reads from.
SELECT name FROM system.tables WHERE database = '${database}' AND notEmpty(dependencies_table)
