-- Totals
-- Customers, orders, items and revenue by currency, cancelled orders left out.

SELECT currency, uniqExact(customer_id) AS customers, count() AS orders, sum(items) AS items, sum(total) AS revenue
FROM orders FINAL
WHERE status != 'cancelled'
GROUP BY currency
ORDER BY currency
