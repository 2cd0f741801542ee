-- All tables with rows that hold opened values, of whatever version, build or state.
SELECT concat(database, '.', name)
FROM system.tables
WHERE endsWith(engine, 'MergeTree')
  AND arrayExists(prefix -> database = prefix OR startsWith(database, concat(prefix, '_')), [${prefixes}])
  AND (database, name) IN (SELECT database, table FROM system.columns WHERE name = '${opened}')
ORDER BY 1;
