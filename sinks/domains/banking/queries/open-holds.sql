-- Open holds
-- What is set aside and has neither been captured nor released, the oldest first.
-- :before Date32 = 2199-12-31  Holds that were placed before this day.
-- :limit UInt32 = 100  How many.

SELECT account_id, hold_id, amount, currency, placed_at
FROM holds FINAL
WHERE status = 'open' AND placed_at < toDateTime64({before:Date32}, 6, 'UTC')
ORDER BY placed_at, account_id, hold_id
LIMIT {limit:UInt32}
