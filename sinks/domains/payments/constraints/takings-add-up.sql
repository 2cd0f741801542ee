-- What was received and refunded by day is what the payments say
-- Sums over all days, by currency.

SELECT currency, received, refunded, said_received, said_refunded
FROM (
    SELECT JSONExtractString(data, 'amount', 'currency') AS currency,
           sumIf(JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)'), type = 'PaymentReceived') AS received,
           sumIf(JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)'), type = 'PaymentRefunded') AS refunded
    FROM events
    WHERE type IN ('PaymentReceived', 'PaymentRefunded') AND position <= {upto:UInt64}
      AND stream NOT IN (SELECT order_id FROM payments FINAL WHERE position > {upto:UInt64})
    GROUP BY currency
) AS e
FULL JOIN (
    SELECT toString(p.currency) AS currency, sumIf(p.amount, p.received_at IS NOT NULL) AS said_received,
           sumIf(p.amount, p.status = 'refunded') AS said_refunded
    FROM payments AS p FINAL
    WHERE p.position <= {upto:UInt64}
    GROUP BY currency
    HAVING said_received > 0
) AS s USING currency
WHERE received != said_received OR refunded != said_refunded
