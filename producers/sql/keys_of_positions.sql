SELECT DISTINCT partition_key FROM events
WHERE domain = %(domain)s AND position BETWEEN %(first)s AND %(last)s AND partition_key NOT LIKE '~%%'
