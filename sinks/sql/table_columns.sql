-- The columns of all tables of a database, in their order.
SELECT table, name, type, default_kind, default_expression, compression_codec
FROM system.columns
WHERE database = '${database}'
ORDER BY table, position
