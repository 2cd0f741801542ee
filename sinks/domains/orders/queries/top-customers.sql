-- Best customers
-- Customers by what they spent in one currency, cancelled orders left out.
-- :limit UInt32 = 10  How many customers.
-- :currency String = USD  Currency, ISO 4217.

SELECT customer_id, orders, items, c.spent[{currency:String}] AS spent, first_purchase, last_purchase
FROM customers AS c FINAL
WHERE mapContains(c.spent, {currency:String})
ORDER BY spent DESC, customer_id
LIMIT {limit:UInt32}
