-- A customer's figures are the sums of the customer's orders
-- Orders, items, deliveries and cancellations of each customer, and what was spent in each currency.

SELECT customer_id, said, are
FROM (
    SELECT customer_id, (orders, items, delivered, cancelled, mapFilter((k, v) -> v != 0, mapSort(spent))) AS said
    FROM customers FINAL
    WHERE position <= {upto:UInt64}
) AS c
FULL JOIN (
    SELECT customer_id,
           (toUInt64(sum(stands)), toUInt64(sum(pieces)), toUInt64(sum(delivered)), toUInt64(sum(gone)),
            mapFilter((k, v) -> v != 0, mapSort(sumMap(map(currency, amount))))) AS are
    FROM (
        SELECT customer_id, toString(currency) AS currency, status != 'cancelled' AS stands, stands ? items : 0 AS pieces,
               stands ? total : toDecimal64(0, 2) AS amount, status = 'delivered' AS delivered, status = 'cancelled' AS gone,
               position
        FROM orders FINAL
    )
    GROUP BY customer_id
    HAVING max(position) <= {upto:UInt64}
) AS o USING customer_id
WHERE said != are
  AND customer_id NOT IN (SELECT customer_id FROM customers FINAL WHERE position > {upto:UInt64})
  AND customer_id NOT IN (SELECT customer_id FROM orders FINAL WHERE position > {upto:UInt64})
