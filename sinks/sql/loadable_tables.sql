-- Tables of the events' database that are filled from the events: those that are loaded anew.
SELECT name FROM system.tables
WHERE database = '${database}' AND engine LIKE '%MergeTree' AND name NOT IN ('progress', 'definitions')
