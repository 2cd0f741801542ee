-- The server's own view of what is mounted where.
SELECT pg_read_file('/proc/self/mounts')
