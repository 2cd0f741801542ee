-- A stream that has fewer or more events than versions, or another last version than its row says.
SELECT e.stream, e.last, e.events, s.version
FROM (
    SELECT stream, max(version) AS last, count(*) AS events
    FROM events
    WHERE domain = %(domain)s AND position <= %(upto)s
    GROUP BY stream
) e
LEFT JOIN streams s ON s.domain = %(domain)s AND s.stream = e.stream
WHERE e.last <> e.events OR s.version IS NULL OR s.version < e.last
ORDER BY e.stream
LIMIT 1
