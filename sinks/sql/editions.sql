-- The editions whose names begin in a way (a regular expression), and whether each is whole.
SELECT name, name IN (SELECT database FROM system.tables WHERE name = 'edition')
FROM system.databases
WHERE match(name, '^${pattern}$$')
ORDER BY name
