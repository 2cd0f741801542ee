-- Events in the order of their positions. Positions are dense, so the limit bounds them, and one partition or two are
-- looked at instead of all.
SELECT position, stream, version, command || ':' || number, type, partition_key, time, watermark, hash, digest, command,
       correlation, traceparent, data
FROM events
WHERE domain = %(domain)s AND position > %(after)s AND position <= %(after)s + %(limit)s::bigint
ORDER BY domain, position
