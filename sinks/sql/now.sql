-- The server's clock, by which deadlines are set and checked.
SELECT now64(3, 'UTC')
