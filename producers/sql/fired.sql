-- Whether a command was accepted whose id begins with a process manager's prefix.
SELECT EXISTS (
    SELECT FROM commands
    WHERE domain = %(domain)s AND command >= %(prefix)s AND command < %(prefix)s || '~'
)
