-- Rows in columns.
INSERT INTO ${table} (${names}) VALUES
