-- The way of `append` for a batch in which something may not be acceptable: command by command, in order, each seeing
-- what the ones before it did. Writes commands, claims and counters; answers the outcomes as `append` does and which
-- commands were accepted. `sound` says of each stream whether it is as expected; `versions` has what they are now.
CREATE FUNCTION append_each(
    in_domain text, head bigint, names text[], sound boolean[], versions bigint[], ids text[],
    fingerprints bytea, targets int[], amounts int[], guards jsonb,
    OUT outcomes jsonb, OUT accepted boolean[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    c record;
    g record;
    used commands;
    made jsonb[];
    mine jsonb;
    fingerprint bytea;
    failing bigint;
    outdated boolean;
BEGIN
    FOR c IN SELECT * FROM unnest(ids, targets, amounts) WITH ORDINALITY AS u (id, target, events, o) LOOP
        accepted[c.o] := false;
        fingerprint := substring(fingerprints FROM (c.o::int - 1) * 16 + 1 FOR 16);
        SELECT * INTO used FROM commands WHERE domain = in_domain AND command = c.id;
        IF FOUND THEN
            sound[c.target] := false;
            made[c.o] := CASE WHEN used.fingerprint = fingerprint
                THEN jsonb_build_array('repeated', used.version, used.events, used.position)
                ELSE '["misused", 0, 0, 0]' END;
            CONTINUE;
        END IF;

        mine := guards -> c.o::text;
        failing := NULL;
        outdated := NOT sound[c.target];
        IF mine IS NOT NULL AND NOT outdated THEN
            FOR g IN
                SELECT u.value ->> 0 AS kind, u.value ->> 1 AS key, (u.value ->> 2)::bigint AS amount,
                       (u.value ->> 3)::bigint AS floor, u.ordinality
                FROM jsonb_array_elements(mine) WITH ORDINALITY AS u
            LOOP
                IF g.kind = 'version' THEN
                    outdated := g.amount <> coalesce(
                        versions[array_position(names, g.key)],
                        (SELECT version FROM streams WHERE domain = in_domain AND stream = g.key), 0);
                ELSIF g.kind = 'claim' AND EXISTS (SELECT FROM claims WHERE domain = in_domain AND key = g.key)
                   OR g.kind = 'counter' AND g.floor > g.amount + coalesce(
                        (SELECT value FROM counters WHERE domain = in_domain AND key = g.key), 0) THEN
                    failing := g.ordinality;
                END IF;
                EXIT WHEN outdated OR failing IS NOT NULL;
            END LOOP;
        END IF;
        IF outdated OR failing IS NOT NULL THEN
            sound[c.target] := false;
            made[c.o] := CASE WHEN outdated THEN '["conflict", 0, 0, 0]'
                ELSE jsonb_build_array('guarded', failing, 0, 0) END;
            CONTINUE;
        END IF;

        IF mine IS NOT NULL THEN
            INSERT INTO claims
            SELECT in_domain, value ->> 1, c.id FROM jsonb_array_elements(mine) WHERE value ->> 0 = 'claim';
            INSERT INTO counters AS n
            SELECT in_domain, value ->> 1, (value ->> 2)::bigint
            FROM jsonb_array_elements(mine) WHERE value ->> 0 = 'counter'
            ON CONFLICT (domain, key) DO UPDATE SET value = n.value + excluded.value;
            DELETE FROM claims USING jsonb_array_elements(mine) AS released
            WHERE domain = in_domain AND released.value ->> 0 = 'release' AND key = released.value ->> 1;
        END IF;
        accepted[c.o] := true;
        head := head + c.events;
        versions[c.target] := versions[c.target] + c.events;
        INSERT INTO commands VALUES (in_domain, c.id, fingerprint, versions[c.target], head, c.events);
        made[c.o] := jsonb_build_array('accepted', versions[c.target], c.events, head);
    END LOOP;
    outcomes := to_jsonb(made);
END
$$;
