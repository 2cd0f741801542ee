-- Payments by status
-- How many payments stand where, and how much money that is, by currency.

SELECT currency, status, count() AS payments, sum(p.amount) AS amount
FROM payments AS p FINAL
GROUP BY currency, status
ORDER BY currency, status
