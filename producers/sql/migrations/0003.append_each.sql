-- The way of `append` for a batch in which something may not be acceptable: command by command, in order, each seeing
-- what the ones before it did. Writes commands, claims and counters; answers the outcomes as `append` does and which
-- commands were accepted. `sound` says of each stream whether it is as expected. Guards, besides claim, release and
-- counter, may be facts that the decision read: `value` (a counter has this value), `free` and `held` (of a claim).
CREATE FUNCTION append_each(
    in_domain text, head bigint, sound boolean[], ids text[], fingerprints bytea, command_events int[],
    command_versions bigint[], part_commands int[], part_streams int[], part_events int[],
    guard_commands int[], kinds text[], guard_keys text[], amounts bigint[], floors bigint[],
    OUT outcomes jsonb, OUT accepted boolean[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    used commands;
    made jsonb[];
    fingerprint bytea;
    outcome text;
    failing int;
    part int := 1;
    guard int := 1;
    first_part int;
    first_guard int;
    count bigint;
    held boolean;
BEGIN
    FOR c IN 1 .. cardinality(ids) LOOP
        accepted[c] := false;
        outcome := 'accepted';
        failing := 0;
        fingerprint := substring(fingerprints FROM (c - 1) * 16 + 1 FOR 16);

        first_part := part;
        WHILE part_commands[part] = c LOOP
            IF NOT sound[part_streams[part]] THEN
                outcome := 'conflict';
            END IF;
            part := part + 1;
        END LOOP;

        SELECT * INTO used FROM commands WHERE domain = in_domain AND command = ids[c];
        IF FOUND THEN
            outcome := CASE WHEN used.fingerprint = fingerprint THEN 'repeated' ELSE 'misused' END;
        END IF;

        first_guard := guard;
        WHILE guard_commands[guard] = c LOOP
            IF outcome = 'accepted' THEN
                IF kinds[guard] IN ('counter', 'value') THEN
                    count := coalesce(
                        (SELECT n.value FROM counters n WHERE n.domain = in_domain AND n.key = guard_keys[guard]), 0);
                    IF kinds[guard] = 'value' AND count <> amounts[guard] THEN
                        outcome := 'conflict';
                    ELSIF kinds[guard] = 'counter' AND count + amounts[guard] < floors[guard] THEN
                        outcome := 'guarded';
                    END IF;
                ELSIF kinds[guard] <> 'release' THEN
                    held := EXISTS (SELECT FROM claims t WHERE t.domain = in_domain AND t.key = guard_keys[guard]);
                    IF kinds[guard] = 'claim' AND held THEN
                        outcome := 'guarded';
                    ELSIF kinds[guard] <> 'claim' AND held <> (kinds[guard] = 'held') THEN
                        outcome := 'conflict';
                    END IF;
                END IF;
                IF outcome = 'guarded' THEN
                    failing := guard - first_guard + 1;
                END IF;
            END IF;
            guard := guard + 1;
        END LOOP;

        IF outcome <> 'accepted' THEN
            FOR p IN first_part .. part - 1 LOOP
                IF part_events[p] > 0 THEN
                    sound[part_streams[p]] := false;
                END IF;
            END LOOP;
            made[c] := CASE WHEN outcome = 'repeated'
                THEN jsonb_build_array('repeated', used.version, used.events, used.position)
                ELSE jsonb_build_array(outcome, failing, 0, 0) END;
            CONTINUE;
        END IF;

        FOR g IN first_guard .. guard - 1 LOOP
            CASE kinds[g]
                WHEN 'claim' THEN
                    INSERT INTO claims VALUES (in_domain, guard_keys[g], ids[c]);
                WHEN 'release' THEN
                    DELETE FROM claims t WHERE t.domain = in_domain AND t.key = guard_keys[g];
                WHEN 'counter' THEN
                    INSERT INTO counters AS n VALUES (in_domain, guard_keys[g], amounts[g])
                    ON CONFLICT (domain, key) DO UPDATE SET value = n.value + excluded.value;
                ELSE
                    NULL;
            END CASE;
        END LOOP;
        accepted[c] := true;
        head := head + command_events[c];
        INSERT INTO commands VALUES (in_domain, ids[c], fingerprint, command_versions[c], head, command_events[c]);
        made[c] := jsonb_build_array('accepted', command_versions[c], command_events[c], head);
    END LOOP;
    outcomes := to_jsonb(made);
END
$$;
