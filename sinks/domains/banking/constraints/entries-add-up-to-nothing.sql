-- The entries of each event add up to nothing
-- So the sum over all accounts, the bank's own among them, is nothing after every event.

SELECT position, currency, sum(amount) AS sum, count() AS entries
FROM entries
WHERE position <= {upto:UInt64}
GROUP BY position, currency
HAVING sum != 0 OR entries != 2
