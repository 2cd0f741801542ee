-- A page of whole events in columns, as COPY CSV: at most so many after a position, up to another one, and of them those
-- whose data together have at most so many bytes.
COPY (
    SELECT position, previous, stream, version, type, partition_key, command, number, time, watermark,
           encode(hash, 'hex'), encode(digest, 'hex'), correlation, traceparent, convert_from(data, 'UTF8')
    FROM (
        SELECT *, sum(length(data)) OVER (ORDER BY position) AS size
        FROM events
        WHERE domain = %(domain)s AND position > %(after)s AND position <= least(%(after)s + %(limit)s, %(upto)s::bigint)
    ) e
    WHERE size <= %(bytes)s
    ORDER BY position
) TO STDOUT (FORMAT csv)
