-- Tables of a database that keep rows, with their settings.
SELECT name, engine_full FROM system.tables WHERE database = '${database}' AND engine LIKE '%MergeTree'
