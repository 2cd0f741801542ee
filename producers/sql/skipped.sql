-- The events that are left out of folds, of one partition key or (null) all, and whether each row follows the one before.
SELECT s.event, s.position, s.partition_key, s.stream, s.version, s.reason, s.actor, s.time,
       s.hash = skip_hash(p.hash, s.domain, s.number, s.event, s.position, s.partition_key, s.stream, s.version, s.reason,
                          s.actor, s.time)
           AND (p.number IS NOT NULL OR s.number = 1)
FROM skips s
LEFT JOIN skips p ON p.domain = s.domain AND p.number = s.number - 1
WHERE s.domain = %(domain)s AND (%(key)s::text IS NULL OR s.partition_key = %(key)s)
ORDER BY s.number
