-- Open orders
-- What a trader has in the books, the oldest first; prices in ticks.
-- :trader String  The trader.
-- :limit UInt32 = 100  How many.

SELECT instrument_id, order_id, side, price, quantity, open, filled, placed_at, changed_at
FROM orders FINAL
WHERE trader_id = {trader:String} AND status = 'open'
ORDER BY placed_at, instrument_id, order_id
LIMIT {limit:UInt32}
