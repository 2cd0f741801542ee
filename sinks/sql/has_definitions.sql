-- A row when the table of definitions is there.
SELECT 1 FROM system.tables WHERE database = '${database}' AND name = 'definitions'
