-- Checks the remembered answers of one page of commands against the last event of each. Answers how many they are,
-- the last, the first that is not right, and how many have their first event after `forgotten` and up to `upto`.
WITH page AS MATERIALIZED (
    SELECT command, position, events
    FROM commands
    WHERE domain = %(domain)s AND command > %(after)s
    ORDER BY command
    LIMIT %(limit)s
)
SELECT count(*), max(c.command), min(c.command) FILTER (
    WHERE c.events > 0 AND (e.command = c.command AND e.number = c.events) IS NOT TRUE
), count(*) FILTER (
    WHERE c.events > 0 AND c.position - c.events >= %(forgotten)s AND c.position - c.events < %(upto)s
)
FROM page c
LEFT JOIN (
    SELECT position, command, number
    FROM events
    WHERE domain = %(domain)s AND position = ANY (ARRAY(SELECT position FROM page ORDER BY position))
) e ON e.position = c.position
