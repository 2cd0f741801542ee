-- The data of a page of a domain's events.
SELECT position, stream, version, type, data
FROM events
WHERE domain = %(domain)s AND position > %(after)s AND position <= %(upto)s
ORDER BY domain, position
LIMIT %(limit)s
