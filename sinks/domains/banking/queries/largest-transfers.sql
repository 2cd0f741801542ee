-- Largest transfers
-- The largest transfers and captures of a period, with both accounts: what a compliance officer looks at first.
-- :from Date32 = 1970-01-01  First day.
-- :to Date32 = 2199-12-31  Last day.
-- :currency String = USD  Currency, ISO 4217.
-- :limit UInt32 = 10  How many.

SELECT position, at, account_id AS payer, counterparty AS payee, -amount AS amount, reference
FROM entries AS e
WHERE e.type IN ('TransferSent', 'HoldCaptured') AND e.leg = 0 AND e.currency = {currency:String}
  AND toDate32(e.at) BETWEEN {from:Date32} AND {to:Date32}
ORDER BY amount DESC, position
LIMIT {limit:UInt32}
