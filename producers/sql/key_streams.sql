-- The streams of a partition key, and where each ends; in pages by name.
SELECT stream, version, position, hash
FROM streams
WHERE domain = %(domain)s AND partition_key = %(key)s AND stream > %(after)s
ORDER BY stream
LIMIT %(limit)s
