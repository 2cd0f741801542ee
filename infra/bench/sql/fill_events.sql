-- Events at the positions `first` to `last` of a domain with `streams` streams, each next event on the next stream.
-- They look like stored ones; their hashes chain nothing. Each hundredth ends an append.
INSERT INTO events
SELECT %(domain)s, n, greatest(n - %(streams)s, 0), (n - 1) / %(streams)s + 1,
       '2026-01-01'::timestamptz + n * interval '1 microsecond', '2026-01-01'::timestamptz, 1,
       'filled-' || (n - 1) %% %(streams)s, 'customer-' || (n - 1) %% 20000, md5(%(domain)s || n)::uuid::text,
       'OrderPaid', sha256(int8send(n)), CASE WHEN n %% 100 = 0 THEN sha256(int8send(n)) END,
       null, null,
       convert_to('{"type":"OrderPaid","order_id":"filled-' || (n - 1) %% %(streams)s || '","padding":"'
                  || repeat(md5(n::text), 5) || '"}', 'UTF8')
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
