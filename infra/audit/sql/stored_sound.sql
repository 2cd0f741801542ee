-- Whether an event's hash is the one that its data and the event before it make; see producers/store/hashing.py. Where
-- the event before was removed nobody can say.
SELECT (e.previous > 0 AND p.hash IS NULL) OR e.hash = sha256(coalesce(p.hash, decode(repeat('00', 32), 'hex')) || convert_to(concat_ws(
           E'\x1f', e.domain, e.stream, e.version, e.command || ':' || e.number, e.partition_key,
           coalesce(e.correlation, ''), coalesce(e.traceparent, ''), ''
       ), 'UTF8') || e.data)
FROM events e
LEFT JOIN LATERAL (SELECT hash FROM events WHERE domain = %(domain)s AND position = e.previous LIMIT 1) p ON true
WHERE e.domain = %(domain)s AND e.position = %(position)s
