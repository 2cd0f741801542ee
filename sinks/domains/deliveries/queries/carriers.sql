-- Carriers
-- Parcels of each carrier, how many of them arrived or failed, and the days that they took: median and 95th percentile.

SELECT carrier, count() AS dispatched, countIf(status = 'completed') AS completed, countIf(status = 'failed') AS failed,
       round(quantileExactIf(0.5)(dateDiff('second', dispatched_at, completed_at), status = 'completed') / 86400, 2) AS median_days,
       round(quantileExactIf(0.95)(dateDiff('second', dispatched_at, completed_at), status = 'completed') / 86400, 2) AS p95_days
FROM deliveries FINAL
WHERE dispatched_at IS NOT NULL
GROUP BY carrier
ORDER BY carrier
