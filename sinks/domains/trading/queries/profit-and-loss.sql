-- Profit and loss
-- By trader, in ticks times lots: realised on what was closed, unrealised on what is open at the last price, and both.
-- :instrument String  The instrument.
-- :limit UInt32 = 100  How many traders, the best first.

SELECT trader_id, p.quantity AS quantity, i.last_price AS last_price, p.realised AS realised,
       if(p.quantity = 0, 0, p.quantity * assumeNotNull(i.last_price) - p.cost) AS unrealised, realised + unrealised AS total
FROM (SELECT * FROM positions FINAL WHERE instrument_id = {instrument:String}) AS p
INNER JOIN (SELECT * FROM instruments FINAL WHERE instrument_id = {instrument:String}) AS i USING instrument_id
ORDER BY total DESC, trader_id
LIMIT {limit:UInt32}
