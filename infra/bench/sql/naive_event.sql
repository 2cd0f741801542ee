INSERT INTO naive_events (stream, version, key, command, type, data)
VALUES (%(stream)s, %(version)s, %(key)s, %(command)s, %(type)s, %(data)s)
RETURNING position
