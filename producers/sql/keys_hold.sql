SET lock_timeout = '60s';
SET statement_timeout = '60s';
SELECT pg_advisory_lock_shared(%(lock)s)
