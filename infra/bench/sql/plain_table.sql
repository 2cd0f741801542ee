-- What a bare client writes events to: no index, no rule.
CREATE TABLE IF NOT EXISTS plain (
    stream text NOT NULL,
    version bigint NOT NULL,
    key text NOT NULL,
    command text NOT NULL,
    type text NOT NULL,
    hash text NOT NULL,
    data text NOT NULL
)
