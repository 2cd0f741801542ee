-- The position of the first event that there is.
SELECT position FROM events WHERE domain = %(domain)s ORDER BY domain, position LIMIT 1
