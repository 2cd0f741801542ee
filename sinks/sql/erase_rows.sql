-- An update, never a delete: the rows of a batch whose token is still live must not vanish (sink protocol, rule 19).
ALTER TABLE ${table} UPDATE ${values},
    ${opened} = mapFilter((name, key) -> key != '${key}', ${opened})
WHERE has(mapValues(${opened}), '${key}');
