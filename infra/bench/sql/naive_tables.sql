-- An event store as it is often written by hand: numbered events, unique versions and command ids.
CREATE TABLE IF NOT EXISTS naive_events (
    position bigserial PRIMARY KEY,
    stream text NOT NULL,
    version bigint NOT NULL,
    key text NOT NULL,
    command text NOT NULL,
    type text NOT NULL,
    time timestamptz NOT NULL DEFAULT now(),
    data jsonb NOT NULL,
    UNIQUE (stream, version)
);
CREATE TABLE IF NOT EXISTS naive_commands (command text PRIMARY KEY);
