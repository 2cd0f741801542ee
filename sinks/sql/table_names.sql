-- The tables of a database.
SELECT name FROM system.tables WHERE database = '${database}'
