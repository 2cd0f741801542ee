-- Totals
-- Orders, items and revenue by currency, cancelled orders left out, and how many customers with an order that stands
-- have ever ordered in it, be it for nothing.

SELECT currency, buyers.customers AS customers, orders, items, revenue
FROM
(
    SELECT currency, sum(r.orders) - sum(r.cancelled) AS orders, sum(r.items) - sum(r.returned) AS items,
           sum(r.revenue) - sum(r.refunded) AS revenue
    FROM revenue_by_month AS r
    GROUP BY currency
) AS sums
LEFT JOIN
(
    SELECT arrayJoin(mapKeys(spent)) AS currency, count() AS customers
    FROM customers FINAL
    WHERE customers.orders > 0
    GROUP BY currency
) AS buyers USING currency
WHERE orders > 0
ORDER BY currency
