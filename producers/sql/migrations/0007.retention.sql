-- Up to which position of a domain commands have been forgotten.
CREATE TABLE retention (
    domain text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
);

-- A command is found through its events, whose order is that of time; those without events need an index of their own.
-- One over all positions would slow every append.
CREATE INDEX commands_without_events ON commands (domain, position) WHERE events = 0;

GRANT SELECT ON events, heads, commands TO headrace_keeper;
GRANT DELETE ON commands TO headrace_keeper;
GRANT SELECT, INSERT, UPDATE ON retention TO headrace_keeper;

-- The last position of a domain whose append was before an instant; 0 when there is none. Times grow with positions.
CREATE FUNCTION position_before(in_domain text, instant timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    low bigint := 0;
    high bigint := (SELECT position FROM heads WHERE domain = in_domain ORDER BY position DESC LIMIT 1);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT time FROM events WHERE domain = in_domain AND position = middle) < instant THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

-- Forgets the commands of so many more positions that were accepted before an instant, except those whose id begins with
-- `kept`. Answers whether there are more of them. Does nothing while another session does it.
--
-- A command stands at the position of its last event, and one without events at that of the head. So all that stand
-- before the last event before the instant are old enough; those that stand at it may not be.
CREATE FUNCTION forget_commands(in_domain text, instant timestamptz, amount int, kept text) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    done bigint;
    upto bigint;
    last CONSTANT bigint := position_before(in_domain, instant) - 1;
BEGIN
    INSERT INTO retention VALUES (in_domain, -1) ON CONFLICT DO NOTHING;
    SELECT position INTO done FROM retention WHERE domain = in_domain FOR UPDATE SKIP LOCKED;
    IF done IS NULL OR done >= last THEN
        RETURN false;
    END IF;
    upto := least(done + amount, last);
    DELETE FROM commands c USING events e
    WHERE e.domain = in_domain AND e.position > done AND e.position <= upto
      AND c.domain = in_domain AND c.command = e.command AND c.position = e.position
      AND NOT starts_with(c.command, kept);
    DELETE FROM commands
    WHERE domain = in_domain AND events = 0 AND position > done AND position <= upto AND NOT starts_with(command, kept);
    UPDATE retention SET position = upto WHERE domain = in_domain;
    RETURN upto < last;
END
$$;
REVOKE EXECUTE ON FUNCTION forget_commands FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_commands TO headrace_keeper;
