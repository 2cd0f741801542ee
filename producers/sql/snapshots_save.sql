-- Keeps snapshots; an older one never replaces a newer one of the same code.
INSERT INTO snapshots AS kept (domain, stream, version, hash, fingerprint, checksum, state)
VALUES (%(domain)s, %(stream)s, %(version)s, %(hash)s, %(fingerprint)s, %(checksum)s, %(state)s)
ON CONFLICT (domain, stream) DO UPDATE
SET version = excluded.version, hash = excluded.hash, fingerprint = excluded.fingerprint,
    checksum = excluded.checksum, state = excluded.state
WHERE kept.version < excluded.version OR kept.fingerprint <> excluded.fingerprint
