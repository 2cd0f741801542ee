-- How much a statement would read.
EXPLAIN ESTIMATE ${query}
