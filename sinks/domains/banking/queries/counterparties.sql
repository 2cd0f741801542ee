-- Counterparties of an account
-- With whom an account has to do: what came from each and went to each.
-- :account String  The account.
-- :limit UInt32 = 20  How many counterparties, those of the most money first.

SELECT counterparty, currency, count() AS entries, sumIf(amount, amount > 0) AS received, -sumIf(amount, amount < 0) AS paid
FROM entries
WHERE account_id = {account:String}
GROUP BY counterparty, currency
ORDER BY received + paid DESC, counterparty, currency
LIMIT {limit:UInt32}
