-- What still refers to a position at which there is no event: the next event of its stream, or its command.
SELECT (SELECT ARRAY[stream, (version - 1)::text] FROM events
        WHERE domain = %(domain)s AND position > %(position)s AND previous = %(position)s LIMIT 1),
       (SELECT ARRAY[command || ':' || (%(position)s - position + events), (version - position + %(position)s)::text]
        FROM commands
        WHERE domain = %(domain)s AND position >= %(position)s AND position - events < %(position)s
        LIMIT 1)
