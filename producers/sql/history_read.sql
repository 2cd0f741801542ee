-- The events after a position up to another one, as the relay reads them, so many at most.
COPY (
    SELECT position, partition_key, stream, version, type, time, watermark, encode(hash, 'hex'),
           encode(digest, 'hex'), command, number, correlation, traceparent, convert_from(data, 'UTF8')
    FROM events
    WHERE domain = %(domain)s AND position > %(after)s AND position <= %(upto)s
    ORDER BY position
    LIMIT %(limit)s
) TO STDOUT
