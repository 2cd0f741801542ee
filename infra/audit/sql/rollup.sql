-- The rows of a rollup that differ from what its query makes of the events: first what it has, then what it should have.
SELECT 0 AS side, * FROM (SELECT ${said} FROM ${table} FINAL EXCEPT SELECT ${said} FROM (${query}))
UNION ALL
SELECT 1 AS side, * FROM (SELECT ${said} FROM (${query}) EXCEPT SELECT ${said} FROM ${table} FINAL)
LIMIT ${limit}
