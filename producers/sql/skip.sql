-- Record that an event is to be left out of the folds of its partition key; nothing when that was recorded before. Each
-- row's hash covers the row before it, so that one that was altered or removed is found. The lock comes in a statement
-- of its own: the next one must see what was recorded meanwhile.
SELECT pg_advisory_xact_lock(hashtextextended('skips ' || %(domain)s, 0));
INSERT INTO skips (domain, number, event, position, partition_key, stream, version, reason, actor, time, hash)
SELECT %(domain)s, h.number + 1, %(event)s, %(position)s, %(key)s, %(stream)s, %(version)s, %(reason)s, %(actor)s, n.now,
       skip_hash(p.hash, %(domain)s, h.number + 1, %(event)s, %(position)s, %(key)s, %(stream)s, %(version)s, %(reason)s,
                 %(actor)s, n.now)
FROM (SELECT coalesce(max(number), 0) AS number FROM skips WHERE domain = %(domain)s) h
LEFT JOIN skips p ON p.domain = %(domain)s AND p.number = h.number
CROSS JOIN clock_timestamp() AS n (now)
ON CONFLICT (domain, event) DO NOTHING
