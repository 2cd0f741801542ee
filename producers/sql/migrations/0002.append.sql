-- Appends a batch of commands' events to one domain, as one statement in autocommit.
--
-- Texts of one kind come joined by the control character 1F, which they never contain; hashes as 32 bytes each,
-- fingerprints as 16; the events' data joined, with starts and lengths in bytes. Ordinals count from 1. There are
-- three groups of parameters: the streams that the batch touches, each with the version and hash on which its
-- commands were decided; the commands in their order; their events in the same order, each with its stream and its
-- command as ordinals and by name (`event_causes` are command ids). `guards` has, by a command's ordinal, its guards
-- as [kind, key, amount, floor], one a key.
--
-- Answers the head before the append, the append's time, and null when every command was accepted; else one entry
-- a command, [outcome, version, events, position], where outcome is
--   accepted   its events are in
--   repeated   its id was used before with the same fingerprint; the numbers are those of the first answer
--   misused    its id was used before with another fingerprint
--   conflict   its stream is not as expected, or a command before it on that stream fell, or a version guard failed
--   guarded    a claim or counter refused it; the second entry is the ordinal of that guard
CREATE FUNCTION append(
    in_domain text, in_lateness interval,
    stream_names text, stream_versions bigint[], stream_hashes bytea,
    command_ids text, command_fingerprints bytea, command_streams int[], command_events int[], guards jsonb,
    event_streams int[], event_commands int[], event_numbers int[], event_causes text, event_names text,
    event_keys text, event_types text, event_times bigint[], event_starts int[], event_lengths int[],
    event_hashes bytea, command_correlations text[], command_traceparents text[], event_data text,
    OUT head bigint, OUT moment timestamptz, OUT outcomes jsonb
) LANGUAGE plpgsql
-- Plans are made once and kept, often while the tables are still empty: only index probes stay good.
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    names CONSTANT text[] COLLATE "C" := string_to_array(stream_names, E'\x1f');
    ids CONSTANT text[] COLLATE "C" := string_to_array(command_ids, E'\x1f');
    data CONSTANT bytea := convert_to(event_data, 'UTF8');
    -- What every client's calendar can hold, in whatever time zone.
    earliest CONSTANT timestamptz := '0001-01-03 00:00:00+00';
    before heads;
    sound boolean[];
    versions bigint[];
    ends bigint[];
    accepted boolean[];
    hashes bytea := event_hashes;
    amount int := coalesce(cardinality(event_streams), 0);
    final int;
    newest timestamptz;
    rolling bytea;
BEGIN
    SELECT * INTO before FROM heads WHERE domain = in_domain FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO heads (domain) VALUES (in_domain) ON CONFLICT DO NOTHING;
        SELECT * INTO before FROM heads WHERE domain = in_domain FOR UPDATE;
    END IF;
    head := before.position;
    -- Strictly growing, so that one time marks the events of one append.
    moment := greatest(clock_timestamp(), before.time + interval '1 microsecond');

    SELECT array_agg(coalesce(s.version, 0) = n.version AND (s.version IS NULL
                     OR s.hash = substring(stream_hashes FROM (n.o::int - 1) * 32 + 1 FOR 32)) ORDER BY n.o),
           array_agg(coalesce(s.version, 0) ORDER BY n.o), array_agg(coalesce(s.position, 0) ORDER BY n.o)
    INTO sound, versions, ends
    FROM unnest(names, stream_versions) WITH ORDINALITY AS n (stream, version, o)
    LEFT JOIN LATERAL (SELECT * FROM streams WHERE domain = in_domain AND stream = n.stream LIMIT 1) s ON true;

    IF guards IS NULL AND NOT false = ANY (sound) AND NOT EXISTS (
        SELECT FROM unnest(ids) AS c (id)
        CROSS JOIN LATERAL (SELECT FROM commands WHERE domain = in_domain AND command = c.id LIMIT 1) k
    ) THEN
        INSERT INTO commands
        SELECT in_domain, c.id, substring(command_fingerprints FROM (c.o::int - 1) * 16 + 1 FOR 16),
               stream_versions[c.target] + sum(c.events) OVER (PARTITION BY c.target ORDER BY c.o),
               head + sum(c.events) OVER (ORDER BY c.o), c.events
        FROM unnest(ids, command_streams, command_events) WITH ORDINALITY AS c (id, target, events, o);
        final := amount;
    ELSE
        SELECT a.outcomes, a.accepted INTO outcomes, accepted
        FROM append_each(in_domain, head, names, sound, versions, ids, command_fingerprints, command_streams,
                         command_events, guards) a;
        SELECT count(*), max(e.o), string_agg(substring(event_hashes FROM (e.o::int - 1) * 32 + 1 FOR 32), '' ORDER BY e.o)
        INTO amount, final, hashes
        FROM unnest(event_commands) WITH ORDINALITY AS e (command, o) WHERE accepted[e.command];
    END IF;
    IF amount = 0 THEN
        RETURN;
    END IF;

    rolling := sha256(before.digest || int8send(head + 1)
                      || int8send((extract(epoch FROM moment) * 1000000)::bigint) || hashes);
    INSERT INTO events
    SELECT in_domain, head + row_number() OVER chain,
           coalesce(lag(head + e.nth) OVER of_stream, ends[e.target]),
           stream_versions[e.target] + row_number() OVER of_stream, moment,
           greatest(earliest, greatest(before.latest, least(moment, 'epoch'::timestamptz
               + max(e.happened) OVER chain * interval '1 microsecond')) - in_lateness),
           e.number, e.stream, e.key, e.cause, e.type,
           substring(event_hashes FROM (e.o::int - 1) * 32 + 1 FOR 32), CASE WHEN e.o = final THEN rolling END,
           command_correlations[e.command], command_traceparents[e.command],
           substring(data FROM e.start FOR e.length)
    FROM (
        SELECT u.*, row_number() OVER (ORDER BY u.o) AS nth
        FROM unnest(event_streams, event_commands, event_numbers, string_to_array(event_causes, E'\x1f'),
                    string_to_array(event_names, E'\x1f'), string_to_array(event_keys, E'\x1f'),
                    string_to_array(event_types, E'\x1f'), event_times, event_starts, event_lengths)
             WITH ORDINALITY AS u (target, command, number, cause, stream, key, type, happened, start, length, o)
        WHERE accepted IS NULL OR accepted[u.command]
    ) e
    WINDOW of_stream AS (PARTITION BY e.target ORDER BY e.o), chain AS (ORDER BY e.o);

    INSERT INTO streams
    SELECT in_domain, e.stream, stream_versions[e.target] + e.count, head + e.nth,
           substring(event_hashes FROM (e.last::int - 1) * 32 + 1 FOR 32), e.key
    FROM (
        SELECT u.target, min(u.stream) AS stream, min(u.key) AS key, count(*), max(u.o) AS last, max(u.nth) AS nth
        FROM (
            SELECT w.*, row_number() OVER (ORDER BY w.o) AS nth
            FROM unnest(event_streams, event_commands, string_to_array(event_names, E'\x1f'),
                        string_to_array(event_keys, E'\x1f')) WITH ORDINALITY AS w (target, command, stream, key, o)
            WHERE accepted IS NULL OR accepted[w.command]
        ) u
        GROUP BY u.target
    ) e
    ON CONFLICT (domain, stream) DO UPDATE
    SET version = excluded.version, position = excluded.position, hash = excluded.hash;

    SELECT greatest(before.latest, least(moment, 'epoch'::timestamptz + max(e.happened) * interval '1 microsecond'))
    INTO newest
    FROM unnest(event_commands, event_times) AS e (command, happened) WHERE accepted IS NULL OR accepted[e.command];
    UPDATE heads SET position = head + amount, time = moment, latest = newest, digest = rolling
    WHERE domain = in_domain;
    PERFORM pg_notify('headrace', in_domain);
END
$$;
