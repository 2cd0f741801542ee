-- Trial balance
-- What customers have, what is in cash and what is in transit at the end of a day; each currency adds up to nothing.
-- :day Date32 = 2199-12-31  The day.

SELECT currency, multiIf(startsWith(account_id, 'cash:'), 'cash', startsWith(account_id, 'transit:'), 'transit', 'customers') AS class,
       uniqExact(account_id) AS accounts, sum(d.entries) AS entries,
       sumIf(moved, moved > 0) AS received, -sumIf(moved, moved < 0) AS paid, sum(moved) AS balance
FROM (SELECT account_id, currency, day, type, sum(moved) AS moved, sum(entries) AS entries FROM days GROUP BY ALL) AS d
WHERE day <= {day:Date32}
GROUP BY currency, class
ORDER BY currency, class
