-- The end of the last append at or before a position.
SELECT position, digest, time
FROM events
WHERE domain = %(domain)s AND position <= %(position)s AND digest IS NOT NULL
ORDER BY position DESC
LIMIT 1
