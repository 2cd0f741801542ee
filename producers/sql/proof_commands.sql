-- Checks the remembered answers of one page of commands against the last event of each. Answers how many they are,
-- the last, and the first that is not right.
WITH page AS MATERIALIZED (
    SELECT command, position, events
    FROM commands
    WHERE domain = %(domain)s AND command > %(after)s
    ORDER BY command
    LIMIT %(limit)s
)
SELECT count(*), max(c.command), min(c.command) FILTER (
    WHERE c.events > 0 AND (e.command = c.command AND e.number = c.events) IS NOT TRUE
)
FROM page c
LEFT JOIN (
    SELECT position, command, number
    FROM events
    WHERE domain = %(domain)s AND position = ANY (ARRAY(SELECT position FROM page ORDER BY position))
) e ON e.position = c.position
