-- Revenue by month
-- Orders, items and revenue by the month of placing and currency; cancellations count in the month in which they happened.

SELECT formatDateTime(month, '%Y-%m') AS month, currency, sum(orders) AS orders, sum(items) AS items,
       sum(revenue) AS revenue, sum(cancelled) AS cancelled, sum(refunded) AS refunded
FROM revenue_by_month
GROUP BY month, currency
ORDER BY month, currency
