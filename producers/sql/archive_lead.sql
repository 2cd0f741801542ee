-- Whether this session is now the one that archives the domain.
SELECT pg_try_advisory_lock(hashtextextended('headrace archive ' || %(domain)s, 0))
