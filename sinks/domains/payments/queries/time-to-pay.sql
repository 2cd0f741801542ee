-- Time to pay
-- How long it takes from the request to the money, in hours: median and 95th percentile, by currency.

SELECT currency, count() AS payments,
       round(quantileExact(0.5)(dateDiff('second', requested_at, assumeNotNull(received_at))) / 3600, 2) AS median_hours,
       round(quantileExact(0.95)(dateDiff('second', requested_at, assumeNotNull(received_at))) / 3600, 2) AS p95_hours
FROM payments FINAL
WHERE received_at IS NOT NULL
GROUP BY currency
ORDER BY currency
