-- Balances as of a day
-- What was on each account at the end of a day, by value date; the highest balances first.
-- :day Date32  The day.
-- :currency String = USD  Currency, ISO 4217.
-- :limit UInt32 = 100  How many accounts.

SELECT account_id, sum(moved) AS balance, sum(d.entries) AS entries, max(day) AS last_moved
FROM days AS d
WHERE day <= {day:Date32} AND currency = {currency:String} AND NOT match(account_id, '^(cash|transit):')
GROUP BY account_id
ORDER BY balance DESC, account_id
LIMIT {limit:UInt32}
