-- Events that are left out of folds, because somebody said so: who, when and why. Only ever added to. The hash chains the
-- rows of a domain; checkpoints sign the last one.
CREATE TABLE skips (
    domain text COLLATE "C" NOT NULL,
    number int NOT NULL,                          -- from 1, without gaps
    event text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    partition_key text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    actor text NOT NULL,
    time timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (domain, number),
    UNIQUE (domain, event)
);
CREATE INDEX skips_of_partition_key ON skips (domain, partition_key);

CREATE FUNCTION skip_hash(
    previous bytea, domain text, number int, event text, "position" bigint, key text, stream text, version bigint,
    reason text, actor text, "time" timestamptz
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(coalesce(previous, '') || convert_to(
        jsonb_build_array(domain, number, event, "position", key, stream, version, reason, actor,
                          extract(epoch FROM "time"))::text, 'UTF8'
    ))
$$;

-- A skip cannot be taken back or rewritten, not even by the owner by mistake.
CREATE FUNCTION keep_skips() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'skips are only ever added to';
END $$;
CREATE TRIGGER keep_skips BEFORE UPDATE OR DELETE OR TRUNCATE ON skips EXECUTE FUNCTION keep_skips();

GRANT SELECT ON skips TO headrace_reader, headrace_keeper;
GRANT INSERT ON skips TO headrace_keeper;
