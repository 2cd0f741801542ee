-- The columns of a table with their types, and whether rows are put together by them.
SELECT name, type, is_in_sorting_key FROM system.columns
WHERE database = '${database}' AND table = '${table}' AND default_kind NOT IN ('ALIAS', 'MATERIALIZED')
ORDER BY position
