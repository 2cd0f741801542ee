-- The events at given positions, in their order, as the relay reads them.
COPY (
    SELECT e.position, e.partition_key, e.stream, e.version, e.type, e.time, e.watermark, encode(e.hash, 'hex'),
           encode(e.digest, 'hex'), e.command, e.number, e.correlation, e.traceparent, convert_from(e.data, 'UTF8')
    FROM unnest(%(positions)s::bigint[]) AS p (position)
    CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = %(domain)s AND v.position = p.position LIMIT 1) e
    ORDER BY e.position
) TO STDOUT
