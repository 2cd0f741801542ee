-- The events at given positions, in their order.
SELECT e.version, e.position, e.command || ':' || e.number, e.type, e.time, e.hash, e.data
FROM unnest(%(positions)s::bigint[]) AS p (position)
CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = %(domain)s AND v.position = p.position LIMIT 1) e
ORDER BY e.position
