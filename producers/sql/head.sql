-- Where a domain stands.
SELECT position, time, digest FROM heads WHERE domain = %(domain)s ORDER BY position DESC LIMIT 1
