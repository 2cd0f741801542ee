-- Streams as they stand, with their events after given versions; see the function.
SELECT name, key, last_version, last_hash, number, body FROM load_streams(%(domain)s, %(names)s, %(after)s::bigint[])
