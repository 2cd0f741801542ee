-- Gives the partition of the commands topic back.
SELECT pg_advisory_unlock(hashtextextended('headrace intake ' || %(topic)s || ' ' || %(partition)s, 0))
