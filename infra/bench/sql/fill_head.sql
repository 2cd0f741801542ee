-- The head at a position.
UPDATE heads SET position = %(last)s, time = now(), latest = '2026-01-01' WHERE domain = %(domain)s
