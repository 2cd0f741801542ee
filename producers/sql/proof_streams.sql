-- Checks the rows of one page of streams against their last events. Answers one row: how many they are, the last
-- stream, the first that is not right, and how many events they have up to a position: those appended later are
-- passed over by going back in the stream.
WITH RECURSIVE page AS MATERIALIZED (
    SELECT stream, version, position, hash, partition_key
    FROM streams
    WHERE domain = %(domain)s AND stream > %(after)s
    ORDER BY stream
    LIMIT %(limit)s
), tips AS MATERIALIZED (
    SELECT s.stream, e.position, e.previous, e.version,
           e.stream = s.stream AND e.version = s.version AND e.hash = s.hash
           AND e.partition_key = s.partition_key AS sound
    FROM page s
    LEFT JOIN (
        SELECT position, previous, version, stream, hash, partition_key
        FROM events
        WHERE domain = %(domain)s AND position = ANY (ARRAY(SELECT position FROM page ORDER BY position))
    ) e ON e.position = s.position
), chain AS (
    SELECT position, previous, version FROM tips
    UNION ALL
    SELECT e.position, e.previous, e.version
    FROM chain c
    CROSS JOIN LATERAL (
        SELECT position, previous, version FROM events v WHERE v.domain = %(domain)s AND v.position = c.previous LIMIT 1
    ) e
    WHERE c.position > %(upto)s
)
SELECT t.streams, t.last, t.bad, c.events
FROM (SELECT count(*) AS streams, max(stream) AS last, min(stream) FILTER (WHERE sound IS NOT TRUE) AS bad FROM tips) t
CROSS JOIN (SELECT coalesce(sum(version) FILTER (WHERE position <= %(upto)s), 0)::bigint AS events FROM chain) c
