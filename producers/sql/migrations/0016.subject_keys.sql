-- One key for each person (subject) whose personal values a domain holds. The values are sealed with it wherever they
-- are; without it nobody can read them. The key itself is wrapped with the master key, which is not in the database.
CREATE TABLE subject_keys (
    domain text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE,          -- names the key in sealed values
    key bytea,                                    -- wrapped; null once it was erased
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased timestamptz,
    PRIMARY KEY (domain, subject),
    CHECK ((key IS NULL) = (erased IS NOT NULL))
);

-- A key that was erased stays erased, and one that is there is never exchanged for another.
CREATE FUNCTION keep_subject_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.key IS NOT NULL AND NEW.key IS NULL
       AND (NEW.domain, NEW.subject, NEW.id, NEW.made) = (OLD.domain, OLD.subject, OLD.id, OLD.made) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of % is refused: all that can be done to a key is to erase it', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER only_erased BEFORE UPDATE OR DELETE ON subject_keys
    FOR EACH ROW EXECUTE FUNCTION keep_subject_keys();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON subject_keys
    FOR EACH STATEMENT EXECUTE FUNCTION keep_subject_keys();

-- Signed records of erasures that were completed. Only ever added to; each names the one before it.
CREATE TABLE erasures (
    domain text COLLATE "C" NOT NULL,
    number int NOT NULL,                          -- from 1, without gaps
    subject text COLLATE "C" NOT NULL,
    record bytea NOT NULL,                        -- JSON
    PRIMARY KEY (domain, number),
    UNIQUE (domain, subject)
);
CREATE FUNCTION keep_erasures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'records of erasures are only ever added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON erasures EXECUTE FUNCTION keep_erasures();

REVOKE ALL ON subject_keys FROM headrace_reader;
GRANT SELECT, INSERT, UPDATE (key, erased) ON subject_keys TO headrace_keys;
GRANT SELECT, INSERT ON erasures TO headrace_keys;
