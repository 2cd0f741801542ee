SELECT record FROM erasures WHERE domain = %(domain)s ORDER BY number
