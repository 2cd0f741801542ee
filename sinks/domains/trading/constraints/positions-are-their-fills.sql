-- Positions are the sum of their fills
-- In lots and in money: what is realised less what the open lots cost is what came in less what went out.

SELECT position_key, said, are
FROM (
    SELECT position_key, (p.quantity, p.realised - p.cost, toUInt64(p.fills)) AS said
    FROM positions AS p FINAL
    WHERE position <= {upto:UInt64}
) AS p
FULL JOIN (
    SELECT position_key, (sum(lots), sum(-lots * price), count()) AS are
    FROM (
        SELECT concat(stream, '/', JSONExtractString(data, 'trader_id')) AS position_key,
               if(JSONExtractString(data, 'side') = 'buy', 1, -1) * JSONExtractInt(data, 'quantity') AS lots,
               JSONExtractInt(data, 'price') AS price
        FROM events
        WHERE type = 'OrderFilled' AND position <= {upto:UInt64}
    )
    GROUP BY position_key
) AS e USING position_key
WHERE said != are
  AND position_key NOT IN (SELECT position_key FROM positions FINAL WHERE position > {upto:UInt64})
