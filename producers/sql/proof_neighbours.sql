-- What else is stored about the event at a position: its data; the command that was answered with that position and
-- the event's number in it; stream, version and partition key as the next event of its stream or the stream's row says;
-- the hash of the event before it by version; its stream's partition
-- key; and what a neighbour of the same command has.
SELECT e.data, c.command, c.number, coalesce(n.stream, s.stream), coalesce(n.version, s.version),
       coalesce(n.partition_key, s.partition_key), b.hash, o.partition_key,
       k.correlation, k.traceparent
FROM events e
LEFT JOIN LATERAL (
    SELECT command, (%(position)s - position + events)::int AS number FROM commands
    WHERE domain = %(domain)s AND position >= %(position)s AND position - events < %(position)s LIMIT 1
) c ON true
LEFT JOIN LATERAL (
    SELECT stream, version - 1 AS version, partition_key FROM events
    WHERE domain = %(domain)s AND position > %(position)s AND previous = %(position)s LIMIT 1
) n ON true
LEFT JOIN LATERAL (
    SELECT stream, version, partition_key FROM streams
    WHERE domain = %(domain)s AND position = %(position)s LIMIT 1
) s ON true
LEFT JOIN LATERAL (
    SELECT hash FROM events
    WHERE domain = %(domain)s AND position < %(position)s AND stream = e.stream AND version = e.version - 1
    ORDER BY position DESC LIMIT 1
) b ON true
LEFT JOIN LATERAL (
    SELECT correlation, traceparent FROM events
    WHERE domain = %(domain)s AND position IN (%(position)s - 1, %(position)s + 1) AND command = e.command
    LIMIT 1
) k ON true
LEFT JOIN LATERAL (SELECT * FROM streams WHERE domain = %(domain)s AND stream = e.stream LIMIT 1) o ON true
WHERE e.domain = %(domain)s AND e.position = %(position)s
