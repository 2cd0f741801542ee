-- Orders by status
-- How many orders stand at which step, and what they are worth.

SELECT status, currency, count() AS orders, sum(total) AS value, min(placed_at) AS oldest
FROM orders FINAL
GROUP BY status, currency
ORDER BY status, currency
