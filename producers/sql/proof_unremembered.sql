-- Of the events at the `limit` positions after one, up to `upto`: how many they are, the last of them, and the first whose
-- command has no row though its retention is not over.
SELECT count(*), max(e.position), min(e.position) FILTER (WHERE c.command IS NULL AND e.position > r.forgotten)
FROM events e
CROSS JOIN (SELECT coalesce(max(position), 0) AS forgotten FROM retention WHERE domain = %(domain)s) r
LEFT JOIN commands c ON c.domain = %(domain)s AND c.command = e.command
WHERE e.domain = %(domain)s AND e.position > %(after)s AND e.position <= least(%(after)s + %(limit)s, %(upto)s)
