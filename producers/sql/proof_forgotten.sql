-- Up to which position commands may have been forgotten, because their retention is over.
SELECT coalesce(max(position), 0) FROM retention WHERE domain = %(domain)s
