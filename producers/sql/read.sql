-- Events in the order of their positions.
SELECT position, stream, version, command || ':' || number, type, partition_key, time, watermark, hash, digest, command,
       correlation, traceparent, data
FROM events
WHERE domain = %(domain)s AND position > %(after)s
ORDER BY domain, position
LIMIT %(limit)s
