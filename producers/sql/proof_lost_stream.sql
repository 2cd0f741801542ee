-- A stream that has a row and no event.
SELECT s.stream
FROM streams s
WHERE s.domain = %(domain)s AND NOT EXISTS (SELECT FROM events e WHERE e.domain = %(domain)s AND e.stream = s.stream)
ORDER BY s.stream
LIMIT 1
