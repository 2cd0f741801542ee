-- An order that is led to its customer and counts as paid has exactly its money
-- Received and not refunded, and as much as the order's total. An order that was cancelled, and one whose parcel was
-- lost after it was sent, may have been refunded.

SELECT order_id, o.status AS status, o.total AS total, p.status AS payment, p.amount AS amount
FROM (
    SELECT order_id, status, total FROM ${orders}.orders FINAL
    WHERE status IN ('paid', 'shipped', 'delivered') AND position <= {upto_orders:UInt64}
) AS o
JOIN (SELECT order_id, status, amount FROM payments FINAL WHERE position <= {upto:UInt64}) AS p USING order_id
WHERE amount != total
   OR payment NOT IN ('received', 'refunded')
   OR (payment = 'refunded' AND status = 'delivered')
