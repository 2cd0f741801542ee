-- What the head row says, and the last event beside it, as of one moment. Of several head rows, which there must not
-- be, the digest is left out.
SELECT h.position, CASE WHEN h.rows = 1 THEN h.digest END, h.time, e.position, e.digest, e.time
FROM (VALUES (1)) AS one (row)
LEFT JOIN LATERAL (
    SELECT v.position, v.digest, v.time, (SELECT count(*) FROM heads WHERE domain = %(domain)s) AS rows
    FROM heads v
    WHERE v.domain = %(domain)s
    ORDER BY v.position DESC
    LIMIT 1
) h ON true
LEFT JOIN LATERAL (
    SELECT v.position, v.digest, v.time FROM events v WHERE v.domain = %(domain)s ORDER BY v.position DESC LIMIT 1
) e ON true
