-- Of two processes that make a subject's key at once one wins, and both go on with that one's.
INSERT INTO subject_keys (domain, subject, id, key)
SELECT %(domain)s, n.* FROM unnest(%(subjects)s::text[], %(ids)s::text[], %(keys)s::bytea[]) AS n (subject, id, key)
ORDER BY n.subject COLLATE "C"
ON CONFLICT DO NOTHING
