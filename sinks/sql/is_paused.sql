-- A row when loading into a database is to pause.
SELECT 1 FROM system.tables WHERE database = '${database}' AND name = 'paused'
