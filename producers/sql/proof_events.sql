-- Checks the events of one page after a position that is known to be good and ends an append, whose digest and time
-- are given. The formulas are in producers/store/hashing.py. Answers one row: how many events the page has;
-- the first event that is not right by itself and the first event of the first append whose digest is not
-- right (null: all are); position, digest and time of the page's last whole append; and how many commands begin up to
-- there after the position `forgotten`. The events before are fetched as one sorted array of positions, which costs half of what probing for each one does.
WITH checked AS MATERIALIZED (
    SELECT e.position, e.number, e.time, e.watermark, e.hash, e.digest,
           CASE WHEN e.previous = 0 THEN e.version = 1
               ELSE e.previous < e.position AND p.version = e.version - 1 AND p.stream = e.stream
                    AND p.partition_key = e.partition_key
           END
           AND e.hash = sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex')) || convert_to(concat_ws(
                   E'\x1f', e.domain, e.stream, e.version, e.command || ':' || e.number, e.partition_key,
                   coalesce(e.correlation, ''), coalesce(e.traceparent, ''), ''
               ), 'UTF8') || e.data)
           AND (substring(e.data FOR 9) <> '\x7b2274797065223a22'
                OR substring(e.data FROM 10 FOR octet_length(e.type) + 1) = convert_to(e.type || '"', 'UTF8')) AS sound
    FROM events e
    LEFT JOIN (
        SELECT position, stream, version, partition_key, hash
        FROM events
        WHERE domain = %(domain)s AND position < %(after)s + %(limit)s AND position = ANY (ARRAY(
            SELECT previous FROM events
            WHERE domain = %(domain)s AND position > %(after)s AND position <= %(after)s + %(limit)s AND previous > 0
            ORDER BY previous
        ))
    ) p ON p.position = e.previous
    WHERE e.domain = %(domain)s AND e.position > %(after)s AND e.position <= %(after)s + %(limit)s
), page AS MATERIALIZED (
    SELECT position, number, time, watermark, hash, digest, sound AND position - row_number() OVER chain = %(after)s AS sound,
           count(digest) OVER (chain ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS append
    FROM checked
    WINDOW chain AS (ORDER BY position)
), appends AS MATERIALIZED (
    SELECT first, last, digest, latest, commands,
           earliest = latest AND latest > lag(latest, 1, %(time)s::timestamptz) OVER chain
           AND digest = sha256(lag(digest, 1, %(digest)s::bytea) OVER chain || int8send(first)
                               || int8send((extract(epoch FROM latest) * 1000000)::bigint) || hashes || watermarks) AS sound
    FROM (
        SELECT append, min(position) AS first, max(position) AS last, min(time) AS earliest, max(time) AS latest,
               count(*) FILTER (WHERE number = 1 AND position > %(forgotten)s) AS commands,
               max(digest) AS digest, string_agg(hash, '' ORDER BY position) AS hashes,
               string_agg(timestamptz_send(watermark), '' ORDER BY position) AS watermarks
        FROM page
        GROUP BY append
        HAVING count(digest) = 1
    ) a
    WINDOW chain AS (ORDER BY append)
)
SELECT p.events, p.bad, a.bad, l.last, l.digest, l.latest, a.commands
FROM (SELECT count(*) AS events, min(position) FILTER (WHERE sound IS NOT TRUE) AS bad FROM page) p
CROSS JOIN (
    SELECT min(first) FILTER (WHERE sound IS NOT TRUE) AS bad, coalesce(sum(commands), 0)::bigint AS commands FROM appends
) a
LEFT JOIN LATERAL (SELECT * FROM appends ORDER BY last DESC LIMIT 1) l ON true
