-- The rolling digest that is stored at each of some positions.
SELECT position, digest FROM events WHERE domain = %(domain)s AND position = ANY (%(positions)s)
