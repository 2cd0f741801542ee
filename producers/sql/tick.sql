-- What a tick of a domain needs, if the domain has an event and the last append is so long ago: the position that the
-- tick follows, the event time that it moves to, and the end of the stream of ticks.
SELECT h.position, h.latest + (n.now - h.time), coalesce(s.version, 0), s.hash
FROM (SELECT * FROM heads WHERE domain = %(domain)s ORDER BY position DESC LIMIT 1) h
CROSS JOIN clock_timestamp() AS n (now)
LEFT JOIN streams s ON s.domain = %(domain)s AND s.stream = %(stream)s
WHERE h.position > 0 AND n.now - h.time >= %(after)s
