-- Late on the way
-- Shipments that are not delivered and are expected after their promise, the latest first.
-- :limit UInt32 = 100  How many shipments.

SELECT shipment_id, origin, destination, status, site, seen_at, promised_at, estimated_at, delay AS delay_seconds
FROM shipments FINAL
WHERE status != 'delivered' AND delay > 0
ORDER BY delay_seconds DESC, shipment_id
LIMIT {limit:UInt32}
