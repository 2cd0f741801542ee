-- Where was each parcel
-- The last sighting of each shipment at an instant, by when scans were made, not by when they came.
-- :at DateTime64(6)  The instant.
-- :limit UInt32 = 1000  How many shipments.

SELECT shipment_id, argMax(site, (s.at, sighting_id)) AS site, argMax(kind, (s.at, sighting_id)) AS status, max(s.at) AS seen_at
FROM sightings AS s FINAL
WHERE s.at <= {at:DateTime64(6)}
GROUP BY shipment_id
ORDER BY shipment_id
LIMIT {limit:UInt32}
