-- Depth of a book
-- Open lots and orders at each price in ticks, on both sides, the best price first, and what there is up to it.
-- :instrument String  The instrument.
-- :levels UInt32 = 10  How many prices of each side.

SELECT side, rank AS level, price, lots, waiting AS orders, sum(lots) OVER (PARTITION BY side ORDER BY rank) AS lots_up_to
FROM (
    SELECT side, price, sum(o.open) AS lots, count() AS waiting,
           row_number() OVER (PARTITION BY side ORDER BY if(side = 'buy', -assumeNotNull(price), assumeNotNull(price))) AS rank
    FROM orders AS o FINAL
    WHERE instrument_id = {instrument:String} AND status = 'open' AND kind = 'limit'
    GROUP BY side, price
)
WHERE rank <= {levels:UInt32}
ORDER BY side, level
