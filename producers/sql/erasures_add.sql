INSERT INTO erasures (domain, number, subject, record) VALUES (%(domain)s, %(number)s, %(subject)s, %(record)s)
ON CONFLICT DO NOTHING
