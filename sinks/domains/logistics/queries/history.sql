-- Track and trace
-- All sightings of one shipment in the order in which they were made.
-- :shipment_id String  The shipment.

SELECT at, site, kind
FROM sightings FINAL
WHERE shipment_id = {shipment_id:String}
ORDER BY at, sighting_id
