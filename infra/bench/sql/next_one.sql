-- See one_at_a_time.
SELECT pg_advisory_unlock(hashtextextended('headrace bench', 0))
