-- Deliveries by country
-- How many parcels are booked, on their way, arrived and failed, by country.

SELECT country, countIf(status = 'booked') AS booked, countIf(status = 'dispatched') AS on_the_way,
       countIf(status = 'completed') AS completed, countIf(status = 'failed') AS failed
FROM deliveries FINAL
GROUP BY country
ORDER BY country
