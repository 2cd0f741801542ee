SELECT id, erased FROM subject_keys WHERE domain = %(domain)s AND subject = %(subject)s
