-- Positions
-- What traders have: lots (less than 0 when sold short), the average cost of a lot in ticks, what was bought and sold.
-- :instrument String = *  The instrument; * for all.
-- :trader String = *  The trader; * for all.
-- :limit UInt32 = 100  How many, the largest first.

SELECT instrument_id, trader_id, p.quantity AS quantity, abs(p.quantity) AS size, cost,
       if(p.quantity = 0, NULL, toDecimal64(toDecimal128(cost, 4) / p.quantity, 4)) AS average_cost, bought, sold, fills
FROM positions AS p FINAL
WHERE ({instrument:String} = '*' OR instrument_id = {instrument:String})
  AND ({trader:String} = '*' OR trader_id = {trader:String})
ORDER BY size DESC, instrument_id, trader_id
LIMIT {limit:UInt32}
