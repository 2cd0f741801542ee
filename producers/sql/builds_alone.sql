SELECT pg_try_advisory_lock(hashtextextended('headrace rebuild ' || %(domain)s, 0))
