-- Builds of a domain's projection versions: which exist, and which one is queried. A projection without a row has build 0.
CREATE TABLE builds (
    domain text COLLATE "C" NOT NULL,
    projection int NOT NULL CHECK (projection > 0),
    build int NOT NULL CHECK (build >= 0),
    -- folding: its rows are being made; following: a worker and the sink keep it up to date; dropping: its topics and
    -- tables are being removed; dropped: they are.
    state text NOT NULL CHECK (state IN ('folding', 'following', 'dropping', 'dropped')),
    live boolean NOT NULL DEFAULT false,          -- it is queried: one of a domain's
    former boolean NOT NULL DEFAULT false,        -- it was, until the last switch
    barrier bigint NOT NULL DEFAULT 0,            -- folded up to this position before a worker took over
    aggregate text,                                    -- the one aggregate in which differences may be accepted
    actor text NOT NULL DEFAULT '',               -- who switched to it
    began timestamptz NOT NULL DEFAULT now(),
    changed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (domain, projection, build)
);

CREATE FUNCTION tell_builds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('headrace_builds', '');
    RETURN NULL;
END $$;
CREATE TRIGGER tell_builds AFTER INSERT OR UPDATE OR DELETE ON builds FOR EACH STATEMENT EXECUTE FUNCTION tell_builds();

GRANT SELECT ON builds TO headrace_reader, headrace_keeper;
GRANT INSERT, UPDATE (state, live, former, actor, changed) ON builds TO headrace_keeper;
