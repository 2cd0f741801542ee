-- A stream's row: version, position, and whether it says what the event there says.
SELECT s.version, s.position,
       coalesce(e.stream = s.stream AND e.version = s.version AND e.hash = s.hash
                AND e.partition_key = s.partition_key, false)
FROM streams s
LEFT JOIN LATERAL (SELECT * FROM events WHERE domain = %(domain)s AND position = s.position LIMIT 1) e ON true
WHERE s.domain = %(domain)s AND s.stream = %(stream)s
