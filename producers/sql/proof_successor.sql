-- The event that continues a stream after a position, and what the stream's row says when it ends there.
SELECT (SELECT position FROM events
        WHERE domain = %(domain)s AND position > %(position)s AND previous = %(position)s LIMIT 1),
       (SELECT hash FROM streams WHERE domain = %(domain)s AND stream = %(stream)s AND position = %(position)s)
