-- Checks the remembered answers of one page of commands against the last event of each. Answers how many they are,
-- the last, and the first that is not right.
SELECT count(*), max(command), min(command) FILTER (WHERE sound IS NOT TRUE)
FROM (
    SELECT c.command, CASE WHEN c.events = 0 THEN true
           ELSE e.command = c.command AND e.number = c.events AND e.position = c.position END AS sound
    FROM (
        SELECT command, position, events
        FROM commands
        WHERE domain = %(domain)s AND command > %(after)s
        ORDER BY command
        LIMIT %(limit)s
    ) c
    LEFT JOIN events e ON e.domain = %(domain)s AND e.position = c.position
) page
