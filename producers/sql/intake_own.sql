-- Whether this session now owns the partition of the commands topic.
SELECT pg_try_advisory_lock(hashtextextended('headrace intake ' || %(topic)s || ' ' || %(partition)s, 0))
