-- Parcels to be dispatched
-- What was booked and has not left, the longest waiting first.
-- :limit UInt32 = 100  How many.

SELECT order_id, customer_id, country, booked_at
FROM deliveries FINAL
WHERE status = 'booked'
ORDER BY booked_at, order_id
LIMIT {limit:UInt32}
