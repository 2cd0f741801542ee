-- The balance of an account is the sum of its entries
-- And so are the money that came in, that went out, and their number.

SELECT account_id, said, are
FROM (
    SELECT account_id, (balance, turnover_in, turnover_out, a.entries) AS said
    FROM accounts AS a FINAL
    WHERE position <= {upto:UInt64} AND a.entries > 0
) AS a
FULL JOIN (
    SELECT account_id, (toDecimal128(sum(amount), 2), toDecimal128(sumIf(amount, amount > 0), 2), toDecimal128(-sumIf(amount, amount < 0), 2), count()) AS are
    FROM entries
    WHERE leg = 0 AND position <= {upto:UInt64}
    GROUP BY account_id
) AS e USING account_id
WHERE said != are AND account_id NOT IN (SELECT account_id FROM accounts FINAL WHERE position > {upto:UInt64})
