-- The commands of those events, one each.
INSERT INTO commands
SELECT %(domain)s, md5(%(domain)s || n)::uuid::text, substring(sha256(int8send(n)) FOR 16),
       (n - 1) / %(streams)s + 1, n, 1
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
