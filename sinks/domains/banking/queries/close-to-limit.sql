-- Accounts close to their limit
-- Open accounts of which little is available: balance and limit, less holds; the most strained first.
-- :available Decimal(38,2) = 100  Accounts with less than so much.
-- :limit UInt32 = 100  How many accounts.

SELECT account_id, holder_id, currency, balance, held, overdraft, balance + overdraft - held AS available
FROM accounts AS a FINAL
WHERE closed_at IS NULL AND available < {available:Decimal(38,2)}
ORDER BY available, account_id
LIMIT {limit:UInt32}
