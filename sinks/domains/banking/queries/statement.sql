-- Statement of an account
-- Every entry of an account in a period, in order, with the balance after it; also of the bank's own accounts.
-- :account String  The account; cash:USD and transit:USD are the bank's own.
-- :from Date32 = 1970-01-01  First day.
-- :to Date32 = 2199-12-31  Last day.
-- :limit UInt32 = 1000  How many entries, the first of the period.

SELECT at, position, type, amount, currency, counterparty, reference,
       before + sum(amount) OVER (PARTITION BY currency ORDER BY at, position ROWS UNBOUNDED PRECEDING) AS balance
FROM
(
    SELECT * FROM entries
    WHERE account_id = {account:String} AND at >= toDateTime64({from:Date32}, 6, 'UTC')
      AND at < toDateTime64({to:Date32}, 6, 'UTC') + INTERVAL 1 DAY
) AS e
CROSS JOIN
(
    SELECT sum(moved) AS before FROM days WHERE account_id = {account:String} AND day < {from:Date32}
) AS carried
ORDER BY at, position
LIMIT {limit:UInt32}
