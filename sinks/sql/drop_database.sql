-- A database that is not needed any more.
DROP DATABASE IF EXISTS ${database} SYNC
