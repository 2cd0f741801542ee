-- Takings by day
-- Money received and refunded by day and currency, and what is left of it.

SELECT day, currency, sum(t.payments) AS payments, sum(t.received) AS received, sum(t.refunds) AS refunds,
       sum(t.refunded) AS refunded, received - refunded AS kept
FROM takings AS t
GROUP BY day, currency
ORDER BY day, currency
