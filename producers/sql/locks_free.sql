-- Frees what this session has locked.
SELECT pg_advisory_unlock_all()
