-- Shipments by status
-- How many stand at which step, their weight in grams, and how many of their scans came out of order.

SELECT status, count() AS shipments, sum(s.weight) AS grams, sum(s.scans) AS scans, sum(s.disordered) AS disordered
FROM shipments AS s FINAL
GROUP BY status
ORDER BY status
