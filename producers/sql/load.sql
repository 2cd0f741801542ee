-- Streams as they stand, with their events after given versions (see the function), and what is known of counters and
-- claims, in one round trip.
SELECT CASE WHEN number IS NULL THEN 'stream' WHEN body IS NULL THEN 'before' ELSE 'event' END AS kind,
       name, key, coalesce(last_version, number), last_hash, body
FROM load_streams(%(domain)s, %(names)s, %(after)s::bigint[], %(longest)s, %(most)s)
UNION ALL
SELECT 'counter', n.key, null, n.value, null, null
FROM unnest(%(counters)s::text[]) AS u (key)
JOIN counters n ON n.domain = %(domain)s AND n.key = u.key
UNION ALL
SELECT 'claim', t.key, null, null, null, null
FROM unnest(%(claims)s::text[]) AS u (key)
JOIN claims t ON t.domain = %(domain)s AND t.key = u.key
