-- Ends the session that owns the partition of the commands topic: whatever it still has under way is over with it.
-- That is the login's right and not the role's.
SET ROLE NONE;
SELECT pg_terminate_backend(l.pid)
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint)
      = hashtextextended('headrace intake ' || %(topic)s || ' ' || %(partition)s, 0);
SET ROLE headrace_appender
