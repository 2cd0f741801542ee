-- The views that fill the rollups of a database.
SELECT name FROM system.tables WHERE database = '${database}' AND engine = 'MaterializedView'
