-- Back along a stream's chain from the event at a position to a version, newest first. What does not belong there ends
-- the walk early.
WITH RECURSIVE chain AS (
    SELECT e.version, e.position, e.previous, e.time, length(e.data) AS size
    FROM events e
    WHERE e.domain = %(domain)s AND e.position = %(position)s AND e.stream = %(stream)s AND e.version = %(version)s
    UNION ALL
    SELECT e.version, e.position, e.previous, e.time, length(e.data)
    FROM chain c
    CROSS JOIN LATERAL (
        SELECT * FROM events v WHERE v.domain = %(domain)s AND v.position = c.previous LIMIT 1
    ) e
    WHERE c.version > %(until)s AND e.version = c.version - 1 AND e.stream = %(stream)s
)
SELECT version, position, previous, time, size FROM chain ORDER BY version DESC
