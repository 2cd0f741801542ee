-- On time by lane
-- Of what was delivered: how much by its promise, and how late the rest was, by origin and destination.
-- :limit UInt32 = 100  How many lanes, the busiest first.

SELECT origin, destination, count() AS delivered, countIf(delay = 0) AS on_time, round(on_time / delivered, 4) AS rate,
       max(delay) AS worst_seconds
FROM shipments FINAL
WHERE status = 'delivered'
GROUP BY origin, destination
ORDER BY delivered DESC, origin, destination
LIMIT {limit:UInt32}
