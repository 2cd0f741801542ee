-- Where a stream ends.
SELECT version, position, hash FROM streams WHERE domain = %(domain)s AND stream = %(stream)s
