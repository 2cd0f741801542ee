-- Digests of the stored events of one page, by range; the formulas are in infra/audit/digests.py.
SELECT position / ${leaf}, count(*), sum(substr(content, 1, 8)::bigint), sum(substr(wire, 1, 8)::bigint)
FROM (
    SELECT position, content,
           sha256(convert_to(concat_ws(E'\x1f', type, timestamptz_send(watermark)::bigint, coalesce(traceparent, ''), ''),
                             'UTF8') || content) AS wire
    FROM (
        SELECT position, type, watermark, traceparent,
               sha256(convert_to(concat_ws(E'\x1f', position, command || ':' || number, stream, version, partition_key,
                                           timestamptz_send(time)::bigint, coalesce(correlation, command), command,
                                           encode(hash, 'hex'), ''), 'UTF8') || data) AS content
        FROM events
        WHERE domain = %(domain)s AND position > %(after)s AND position <= %(upto)s
        OFFSET 0  -- or the digest would be computed twice
    ) e
    OFFSET 0
) e
GROUP BY 1
