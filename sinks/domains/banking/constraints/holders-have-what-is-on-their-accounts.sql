-- A holder has what is on the holder's accounts
-- By currency.

SELECT holder_id, said, are
FROM (
    SELECT holder_id, mapFilter((k, v) -> v != 0, mapSort(balances)) AS said FROM holders FINAL WHERE position <= {upto:UInt64}
) AS h
FULL JOIN (
    SELECT holder_id, mapFilter((k, v) -> v != 0, mapSort(sumMap(map(toString(currency), balance)))) AS are
    FROM accounts FINAL
    GROUP BY holder_id
    HAVING max(position) <= {upto:UInt64}
) AS a USING holder_id
WHERE said != are
  AND holder_id NOT IN (SELECT holder_id FROM holders FINAL WHERE position > {upto:UInt64})
  AND holder_id NOT IN (SELECT holder_id FROM accounts FINAL WHERE position > {upto:UInt64})
