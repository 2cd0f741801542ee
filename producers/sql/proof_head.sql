-- What the head row says, and the last event beside it, as of one moment.
SELECT h.position, h.digest, h.time, e.position, e.digest, e.time
FROM (VALUES (%(domain)s)) AS d (domain)
LEFT JOIN heads h ON h.domain = d.domain
LEFT JOIN LATERAL (
    SELECT v.position, v.digest, v.time FROM events v WHERE v.domain = %(domain)s ORDER BY v.position DESC LIMIT 1
) e ON true
