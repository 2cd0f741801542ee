-- Where a domain stands.
SELECT position, time, digest FROM heads WHERE domain = %(domain)s
