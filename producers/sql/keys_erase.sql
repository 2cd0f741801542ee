UPDATE subject_keys SET key = NULL, erased = clock_timestamp()
WHERE domain = %(domain)s AND subject = %(subject)s AND key IS NOT NULL
