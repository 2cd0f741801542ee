-- Recency, frequency, monetary value
-- Scores from 1 to 5 (fifths of all customers) for how lately, how often and for how much a customer bought.
-- :day Date32 = 1998-07-01  Day from which recency is counted.
-- :currency String = USD  Currency, ISO 4217.
-- :limit UInt32 = 100  How many customers, the best first.

SELECT customer_id, recency_days, frequency, monetary,
       toUInt8(least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY recency_days DESC)))) AS r,
       toUInt8(least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY frequency)))) AS f,
       toUInt8(least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY monetary)))) AS m
FROM
(
    SELECT customer_id, dateDiff('day', last_purchase, {day:Date32}) AS recency_days,
           orders AS frequency, spent[{currency:String}] AS monetary
    FROM customers FINAL
    WHERE mapContains(spent, {currency:String})
)
ORDER BY r DESC, f DESC, m DESC, monetary DESC, customer_id
LIMIT {limit:UInt32}
