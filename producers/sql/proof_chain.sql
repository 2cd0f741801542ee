-- Checks the events of one stream backwards from a position, a page of them. Answers one row: how many they are, the
-- first event of the page, the position before it in the stream, and the first that is not right.
WITH RECURSIVE chain AS (
    SELECT e.position, e.previous, 1 AS step FROM events e WHERE e.domain = %(domain)s AND e.position = %(position)s
    UNION ALL
    SELECT e.position, e.previous, c.step + 1
    FROM chain c
    CROSS JOIN LATERAL (
        SELECT position, previous FROM events v WHERE v.domain = %(domain)s AND v.position = c.previous LIMIT 1
    ) e
    WHERE c.step < %(limit)s AND c.previous < c.position
)
SELECT count(*), min(position), min(previous),
       min(position) FILTER (WHERE sound IS NOT TRUE)
FROM (
    SELECT c.position, c.previous,
           e.stream = %(stream)s
           AND CASE WHEN e.previous = 0 THEN e.version = 1
               ELSE e.previous < e.position AND p.version = e.version - 1 AND p.stream = e.stream
                    AND p.partition_key = e.partition_key
               END
           AND e.hash = sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex')) || convert_to(concat_ws(
                   E'\x1f', e.domain, e.stream, e.version, e.command || ':' || e.number, e.partition_key,
                   coalesce(e.correlation, ''), coalesce(e.traceparent, ''), ''
               ), 'UTF8') || e.data)
           AND (substring(e.data FOR 9) <> '\x7b2274797065223a22'
                OR substring(e.data FROM 10 FOR octet_length(e.type) + 1) = convert_to(e.type || '"', 'UTF8')) AS sound
    FROM chain c
    CROSS JOIN LATERAL (SELECT * FROM events WHERE domain = %(domain)s AND position = c.position LIMIT 1) e
    LEFT JOIN LATERAL (SELECT * FROM events WHERE domain = %(domain)s AND position = e.previous LIMIT 1) p ON true
) page
