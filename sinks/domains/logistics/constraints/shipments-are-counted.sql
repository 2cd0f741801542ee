-- A shipment's scans and exceptions are those of its events
-- There is a shipment for each booking, and no other; a delivered one has one delivery.

SELECT shipment_id, said, are
FROM (
    SELECT shipment_id, (toUInt64(scans), toUInt64(exceptions), toUInt64(status = 'delivered')) AS said, position AS at
    FROM shipments FINAL
    WHERE position <= {upto:UInt64}
) AS s
FULL JOIN (
    SELECT stream AS shipment_id,
           (countIf(type = 'ShipmentScanned'), countIf(type = 'ExceptionReported'), countIf(type = 'ShipmentDelivered')) AS are,
           1 AS there
    FROM events
    WHERE position <= {upto:UInt64}
    GROUP BY stream
) AS e USING shipment_id
WHERE (said != are OR at = 0 OR there = 0)
  AND shipment_id NOT IN (SELECT shipment_id FROM shipments FINAL WHERE position > {upto:UInt64})
