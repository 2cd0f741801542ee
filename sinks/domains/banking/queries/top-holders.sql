-- Holders with the most
-- What holders have over all of their accounts, in one currency.
-- :currency String = USD  Currency, ISO 4217.
-- :limit UInt32 = 10  How many holders.

SELECT holder_id, balances[{currency:String}] AS balance, opened - closed AS accounts, since
FROM holders FINAL
WHERE mapContains(balances, {currency:String})
ORDER BY balance DESC, holder_id
LIMIT {limit:UInt32}
