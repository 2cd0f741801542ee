-- The last event of a stream, wherever it is.
SELECT version, position
FROM events
WHERE domain = %(domain)s AND stream = %(stream)s
ORDER BY position DESC
LIMIT 1
