-- The tape
-- The last trades of an instrument: price in ticks, lots, who bought, who sold, and which side came to the other.
-- :instrument String  The instrument.
-- :limit UInt32 = 50  How many, the latest first.

SELECT at, trade, price, quantity, aggressor, buyer, seller
FROM trades
WHERE instrument_id = {instrument:String}
ORDER BY at DESC, trade DESC
LIMIT {limit:UInt32}
