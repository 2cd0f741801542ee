-- Outstanding payments
-- What was asked for and has not come, the longest due first.
-- :limit UInt32 = 100  How many.

SELECT order_id, customer_id, amount, currency, due_at
FROM payments FINAL
WHERE status = 'requested'
ORDER BY due_at, order_id
LIMIT {limit:UInt32}
