-- One batch as one block, refused by the server once its deadline has passed (sink protocol, rule 10).
INSERT INTO ${table} (${names})
SELECT ${names} FROM input('${structure}')
WHERE throwIf(now64(3) > toDateTime64('${deadline}', 3, 'UTC'), 'deadline') = 0
FORMAT Native
