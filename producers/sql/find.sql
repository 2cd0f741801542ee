-- The first answers to commands by their ids.
SELECT c.command, c.fingerprint, c.version, c.events, c.position
FROM unnest(%(ids)s) AS u (id)
JOIN commands c ON c.domain = %(domain)s AND c.command = u.id
