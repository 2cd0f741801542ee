-- The streams of events up to a position, which is a multiple of their number.
INSERT INTO streams
SELECT %(domain)s, 'filled-' || n, %(last)s / %(streams)s, %(last)s - %(streams)s + n + 1,
       sha256(int8send(%(last)s::bigint - %(streams)s + n + 1)), 'customer-' || n %% 20000
FROM generate_series(0, %(streams)s::bigint - 1) AS n
