INSERT INTO naive_commands VALUES (%(command)s)
