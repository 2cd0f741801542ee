-- How many rows hold values that a key opened, and in which columns.
SELECT count(), groupUniqArrayArray(mapKeys(mapFilter((name, key) -> key = '${key}', ${opened})))
FROM ${table}
WHERE has(mapValues(${opened}), '${key}');
