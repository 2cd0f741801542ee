-- The snapshots of streams that one version of the code has made.
SELECT s.stream, s.version, s.hash, s.checksum, s.state
FROM unnest(%(names)s::text[]) AS u (stream)
JOIN snapshots s ON s.domain = %(domain)s AND s.stream = u.stream
WHERE s.fingerprint = %(fingerprint)s
