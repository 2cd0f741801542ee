-- Stored events with all their columns.
SELECT position, command || ':' || number, type, stream, version, partition_key, time, watermark,
       coalesce(correlation, command), command, coalesce(traceparent, ''), encode(hash, 'hex'), data
FROM events
WHERE domain = %(domain)s AND position > %(after)s AND position <= %(upto)s
ORDER BY domain, position
