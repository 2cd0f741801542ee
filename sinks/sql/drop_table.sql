-- A table that is not needed any more.
DROP TABLE IF EXISTS ${table} SYNC
