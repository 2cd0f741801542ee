-- Dormant accounts
-- Open accounts that nothing has moved on since a day, and what is on them.
-- :since Date32  The day.
-- :limit UInt32 = 100  How many accounts, the highest balances first.

SELECT account_id, holder_id, currency, balance, opened_at, moved_at
FROM accounts AS a FINAL
WHERE closed_at IS NULL AND coalesce(moved_at, opened_at) < toDateTime64({since:Date32}, 6, 'UTC')
ORDER BY balance DESC, account_id
LIMIT {limit:UInt32}
