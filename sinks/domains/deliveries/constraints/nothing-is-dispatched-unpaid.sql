-- Nothing is dispatched that was not paid for
-- The payment had been received when the parcel left, whatever became of it later.

SELECT order_id, dispatched_at, p.status AS payment, received_at
FROM (
    SELECT order_id, dispatched_at FROM deliveries FINAL
    WHERE dispatched_at IS NOT NULL AND position <= {upto:UInt64}
) AS d
JOIN (
    SELECT order_id, status, received_at FROM ${payments}.payments FINAL WHERE position <= {upto_payments:UInt64}
) AS p USING order_id
WHERE received_at IS NULL OR received_at > dispatched_at
