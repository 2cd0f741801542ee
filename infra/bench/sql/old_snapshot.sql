-- A snapshot, which lasts until the end of the transaction.
SELECT position FROM heads WHERE domain = %(domain)s
