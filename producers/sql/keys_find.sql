SELECT subject, id, key FROM subject_keys WHERE domain = %(domain)s AND subject = ANY(%(subjects)s)
