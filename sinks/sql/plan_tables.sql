-- Rows and bytes on disk of a database's tables.
SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = '${database}'
