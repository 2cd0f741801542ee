-- No account is overdrawn beyond its limit
-- Balance and limit cover the holds; a closed account has nothing at all.

SELECT account_id, balance, held, overdraft
FROM accounts AS a FINAL
WHERE position <= {upto:UInt64}
  AND (balance + overdraft < held OR held < 0 OR (closed_at IS NOT NULL AND (balance != 0 OR held != 0)))
