-- Forgets some commands that are older than they are kept; answers whether there are more. See the function.
SELECT forget_commands(%(domain)s, clock_timestamp() - %(retention)s, %(amount)s, %(kept)s)
