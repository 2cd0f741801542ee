-- One run at a time looks for leftovers and makes its database.
SELECT pg_advisory_lock(hashtextextended('headrace bench', 0))
