-- A stream whose last event is not where its row says, and whether it has any event at all.
SELECT s.stream, s.version,
       EXISTS (SELECT FROM events e WHERE e.domain = %(domain)s AND e.stream = s.stream)
FROM streams s
WHERE s.domain = %(domain)s AND NOT EXISTS (
    SELECT FROM events e WHERE e.domain = %(domain)s AND e.position = s.position AND e.stream = s.stream
)
ORDER BY s.position
LIMIT 1
