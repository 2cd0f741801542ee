-- Turnover by day
-- Deposits, withdrawals and transfers (captured holds among them) of each day, and how many there were.
-- :from Date32 = 1970-01-01  First day.
-- :to Date32 = 2199-12-31  Last day.
-- :currency String = USD  Currency, ISO 4217.

SELECT day, sumIf(moved, type = 'Deposited') AS deposited, -sumIf(moved, type = 'Withdrawn') AS withdrawn,
       -sumIf(moved, type IN ('TransferSent', 'HoldCaptured')) AS transferred,
       sumIf(d.entries, type = 'Deposited') AS deposits, sumIf(d.entries, type = 'Withdrawn') AS withdrawals,
       sumIf(d.entries, type IN ('TransferSent', 'HoldCaptured')) AS transfers
FROM days AS d
WHERE day BETWEEN {from:Date32} AND {to:Date32} AND currency = {currency:String} AND NOT match(account_id, '^(cash|transit):')
GROUP BY day
ORDER BY day
