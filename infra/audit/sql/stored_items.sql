-- Stored events one by one: names and digests; see stored_digests.sql.
SELECT position, id, stream, substr(content, 1, 8)::bigint,
       substr(sha256(convert_to(concat_ws(E'\x1f', type, timestamptz_send(watermark)::bigint, coalesce(traceparent, ''), ''),
                                'UTF8') || content), 1, 8)::bigint
FROM (
    SELECT position, command || ':' || number AS id, stream, type, watermark, traceparent,
           sha256(convert_to(concat_ws(E'\x1f', position, command || ':' || number, stream, version, partition_key,
                                       timestamptz_send(time)::bigint, coalesce(correlation, command), command,
                                       encode(hash, 'hex'), ''), 'UTF8') || data) AS content
    FROM events
    WHERE domain = %(domain)s AND position > %(after)s AND position <= %(upto)s
    OFFSET 0
) e
