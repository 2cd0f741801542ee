-- The positions of an instrument add up to nothing
-- What some have, others have sold; and what some paid, others were paid.

SELECT instrument_id, sum(p.quantity) AS lots, sum(p.realised - p.cost) AS money
FROM positions AS p FINAL
GROUP BY instrument_id
HAVING (lots != 0 OR money != 0) AND max(position) <= {upto:UInt64}
