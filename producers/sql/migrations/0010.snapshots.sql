-- The state of long streams, so that they need not be replayed from their first event. A cache: every row may be
-- deleted at any time. One row a stream, the newest that was taken.
CREATE TABLE snapshots (
    domain text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    hash bytea NOT NULL,                          -- of the event of that version
    fingerprint bytea NOT NULL,                   -- of the code that made the state
    checksum bytea NOT NULL,                      -- of everything else in the row
    state bytea NOT NULL,                         -- JSON
    PRIMARY KEY (domain, stream)
) WITH (fillfactor = 80);

GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots TO headrace_appender;
