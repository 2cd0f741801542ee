-- Whether this session is now the one that relays the domain.
SELECT pg_try_advisory_lock(hashtextextended('headrace relay ' || %(domain)s, 0))
