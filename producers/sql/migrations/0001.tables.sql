-- The event store. Keys compare byte by byte (collation "C"): the same everywhere, and faster.

-- One row a domain, locked by every append: positions are dense and in commit order because of it. The position is in
-- the key so that the living version of the row is found at once, as the greatest, however many dead ones a reader with
-- an old snapshot keeps. That a domain has one row only is what `extend`, which alone makes it, sees to.
CREATE TABLE heads (
    domain text COLLATE "C" NOT NULL,
    position bigint NOT NULL DEFAULT 0,           -- of the last event; 0 before the first
    time timestamptz NOT NULL DEFAULT 'epoch',    -- of the last append, strictly growing
    latest timestamptz,                           -- the greatest event time so far, never after `time`
    -- Of the last event; it never goes back, though a domain may allow for more lateness than before. The default is
    -- the earliest that every client's calendar can hold, in whatever time zone.
    watermark timestamptz NOT NULL DEFAULT '0001-01-03 00:00:00+00',
    digest bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),  -- rolling digest over all appends
    number int NOT NULL GENERATED ALWAYS AS IDENTITY,  -- names the domain's tables
    room bigint NOT NULL DEFAULT 0,               -- up to this position there are partitions of `events`
    PRIMARY KEY (domain, position)
) WITH (fillfactor = 10);

-- One row a stream: the guard for versions, and the end of the chain of its events.
CREATE TABLE streams (
    domain text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,                     -- of its last event
    hash bytea NOT NULL,                          -- of its last event
    partition_key text COLLATE "C" NOT NULL       -- frozen at its first event
        CHECK (partition_key NOT LIKE '~%'),
    PRIMARY KEY (domain, stream)
) WITH (fillfactor = 80);

CREATE INDEX streams_of_partition_key ON streams (domain, partition_key);

-- One row an event, in partitions by domain, then by ranges of positions; `extend` makes them. `previous` is the position of
-- the event before it in its stream (0: none): a stream is loaded by following it from streams.position, so that no
-- second index slows the append.
CREATE TABLE events (
    domain text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    previous bigint NOT NULL,
    version bigint NOT NULL,
    time timestamptz NOT NULL,                    -- of its append; equal for all events of one append
    watermark timestamptz NOT NULL,
    number smallint NOT NULL,                     -- among the events of its command, from 1
    stream text COLLATE "C" NOT NULL,
    partition_key text COLLATE "C" NOT NULL,
    command text COLLATE "C" NOT NULL,            -- id of the command that caused it
    type text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,                          -- chains the stream
    digest bytea,                                 -- heads.digest after its append; only on an append's last event
    correlation text COLLATE "C",                 -- null: the command id
    traceparent text COLLATE "C",
    data bytea NOT NULL                           -- the very bytes that were validated: JSON, never parsed here
        CHECK (length(data) <= 900000),           -- a larger one would not pass through Kafka
    PRIMARY KEY (domain, position)
) PARTITION BY LIST (domain);
ALTER TABLE events ALTER COLUMN data SET STORAGE EXTERNAL;

-- One row an accepted command: its id makes a retry answer what the first one answered.
CREATE TABLE commands (
    domain text COLLATE "C" NOT NULL,
    command text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    version bigint NOT NULL,                      -- of its stream after it
    position bigint NOT NULL,                     -- of its last event, or of the head when it had none
    events smallint NOT NULL,
    PRIMARY KEY (domain, command)
);

-- Guards of facts: keys that only one command may claim, and counters with a floor.
CREATE TABLE claims (
    domain text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    command text COLLATE "C" NOT NULL,
    PRIMARY KEY (domain, key)
);

CREATE TABLE counters (
    domain text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (domain, key)
);

-- The events for people.
CREATE VIEW event_log AS
SELECT domain, position, stream, version, command || ':' || number AS id, type, partition_key, time, watermark,
       encode(hash, 'hex') AS hash, convert_from(data, 'UTF8')::json AS data
FROM events;
