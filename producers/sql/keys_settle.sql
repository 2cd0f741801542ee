-- Waits until all that open values with keys they read before have ended.
SET lock_timeout = '60s';
SET statement_timeout = '60s';
SELECT pg_advisory_lock(%(lock)s), pg_advisory_unlock(%(lock)s)
