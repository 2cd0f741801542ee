-- No scan is dated after the delivery
-- Nor before the booking.

SELECT stream, count() AS scans
FROM (
    SELECT stream, type, event_time,
           minIf(event_time, type = 'ShipmentBooked') OVER (PARTITION BY stream) AS booked,
           maxIf(event_time, type = 'ShipmentDelivered') OVER (PARTITION BY stream) AS delivered
    FROM events
    WHERE position <= {upto:UInt64}
)
WHERE type = 'ShipmentScanned' AND (event_time < booked OR (delivered > toDateTime64('1970-01-02 00:00:00', 6, 'UTC') AND event_time > delivered))
GROUP BY stream
