-- What a statement is, as the engine has understood it.
EXPLAIN QUERY TREE ${query}
