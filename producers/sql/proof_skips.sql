-- The skips of a domain in their order: the hash of each, whether it follows the one before it, and whether it names an
-- event of history.
SELECT s.number, s.event, s.position, s.stream, s.version, s.hash,
       s.hash = skip_hash(p.hash, s.domain, s.number, s.event, s.position, s.partition_key, s.stream, s.version, s.reason,
                          s.actor, s.time)
           AND (p.number IS NOT NULL OR s.number = 1),
       (
           SELECT v.position FROM events v
           WHERE v.domain = s.domain AND v.position = s.position AND v.command || ':' || v.number = s.event
             AND v.stream = s.stream AND v.version = s.version AND v.partition_key = s.partition_key
           LIMIT 1
       ) IS NOT NULL
FROM skips s
LEFT JOIN skips p ON p.domain = s.domain AND p.number = s.number - 1
WHERE s.domain = %(domain)s
ORDER BY s.number
