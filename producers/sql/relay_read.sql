-- Events from a position on, as COPY text: at most so many, and of them those whose data together have at most so many
-- bytes. The first row is the checkpoint's own event, which the relay compares with what it has published.
COPY (
    SELECT position, partition_key, stream, version, type, time, watermark, encode(hash, 'hex'),
           encode(digest, 'hex'), command, number, correlation, traceparent, convert_from(data, 'UTF8')
    FROM (
        SELECT *, sum(length(data)) OVER (ORDER BY position) AS size
        FROM events
        WHERE domain = %(domain)s AND position >= %(first)s AND position < %(first)s + %(limit)s
    ) e
    WHERE size <= %(bytes)s
    ORDER BY position
) TO STDOUT
