-- Events of a range with all that a diagnosis compares: the hash that the row should have, the event before it in its
-- stream, and where its command says that its last event is.
SELECT e.position, e.previous, e.version, e.time, e.number, e.stream, e.partition_key, e.command, e.type, e.hash,
       e.digest,
       sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex')) || convert_to(concat_ws(
           E'\x1f', e.domain, e.stream, e.version, e.command || ':' || e.number, e.partition_key,
           coalesce(e.correlation, ''), coalesce(e.traceparent, ''), ''
       ), 'UTF8') || e.data),
       p.stream, p.version, p.partition_key, p.hash, c.position - c.events + e.number,
       substring(e.data FOR 9) = '\x7b2274797065223a22'
       AND substring(e.data FROM 10 FOR octet_length(e.type) + 1) <> convert_to(e.type || '"', 'UTF8'),
       e.watermark, e.correlation, e.traceparent
FROM events e
LEFT JOIN LATERAL (SELECT * FROM events WHERE domain = %(domain)s AND position = e.previous LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT * FROM commands WHERE domain = %(domain)s AND command = e.command LIMIT 1) c ON true
WHERE e.domain = %(domain)s AND e.position > %(after)s AND e.position <= %(after)s + %(limit)s
ORDER BY e.position
