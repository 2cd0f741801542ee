-- One batch as one block, refused by the server once its deadline has passed (sink protocol, rule 10). Not `now64`: that is
-- folded into a constant when the query is analysed, before the rows have come.
INSERT INTO ${table} (${names})
SELECT ${names} FROM input('${structure}')
WHERE throwIf(nowInBlock64(3) > toDateTime64('${deadline}', 3, 'UTC'), 'deadline') = 0
FORMAT Native
