-- Whether there is any event at or after a position.
SELECT true FROM events WHERE domain = %(domain)s AND position >= %(position)s LIMIT 1
