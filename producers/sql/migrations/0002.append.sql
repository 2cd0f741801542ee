-- Appends a batch of commands' events to one domain, as one statement in autocommit.
--
-- Texts of one kind come joined by the control character 1F, which they never contain; hashes as 32 bytes each,
-- fingerprints as 16; the events' data joined, with starts and lengths in bytes. Ordinals count from 1. There are
-- five groups of parameters:
--   stream_*   the streams that the batch reads or writes: the version and hash on which its commands were decided,
--              the ordinal of the last event that the batch puts on it (0: none) and its version then
--   command_*  the commands in their order: how many events each has, how many there are up to it, the version of its
--              first stream after it
--   part_*     which streams a command rests on, in the commands' order; `part_events` is 0 for one it only reads
--   guard_*    the guards of commands, in the commands' order; at most one of a command changes a key
--   counter_*  when all guards are claims and counters, each counter once: what it moves by in all, and the value
--              from which no guard on it fails; null when there are other guards
--   event_*    the events in the commands' order: stream and command as ordinals, version, `event_befores` the ordinal
--              of the event before it on its stream (0: none in this batch), `event_times` when it happened and
--              `event_latest` the greatest of those so far, in microseconds since 1970
--
-- Answers the head before the append, the append's time, and null when every command was accepted; else one entry
-- a command, [outcome, version, events, position], where outcome is
--   accepted   its events are in
--   repeated   its id was used before with the same fingerprint; the numbers are those of the first answer
--   misused    its id was used before with another fingerprint
--   conflict   a stream it rests on is not as expected, or a command before it on such a stream fell, or a fact that
--              it read has changed
--   guarded    a claim or counter refused it; the second entry is the ordinal of that guard in the command
CREATE FUNCTION append(
    in_domain text, in_lateness interval,
    stream_names text, stream_versions bigint[], stream_hashes bytea, stream_keys text, stream_lasts int[],
    stream_finals bigint[],
    command_ids text, command_fingerprints bytea, command_events int[], command_ends int[], command_versions bigint[],
    command_correlations text[], command_traceparents text[],
    part_commands int[], part_streams int[], part_events int[],
    guard_commands int[], guard_kinds text, guard_keys text, guard_amounts bigint[], guard_floors bigint[],
    counter_keys text[], counter_amounts bigint[], counter_least bigint[],
    event_streams int[], event_commands int[], event_numbers int[], event_types text, event_versions bigint[],
    event_befores int[], event_times bigint[], event_latest bigint[], event_starts int[], event_lengths int[],
    event_hashes bytea, event_data text,
    OUT head bigint, OUT moment timestamptz, OUT outcomes jsonb
) LANGUAGE plpgsql
-- Plans are made once and kept, often while the tables are still empty: only index probes stay good.
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    names CONSTANT text[] COLLATE "C" := string_to_array(stream_names, E'\x1f');
    ids CONSTANT text[] COLLATE "C" := string_to_array(command_ids, E'\x1f');
    kinds CONSTANT text[] COLLATE "C" := string_to_array(guard_kinds, E'\x1f');
    keys CONSTANT text[] COLLATE "C" := string_to_array(guard_keys, E'\x1f');
    partition_keys CONSTANT text[] COLLATE "C" := string_to_array(stream_keys, E'\x1f');
    data CONSTANT bytea := convert_to(event_data, 'UTF8');
    before heads;
    sound boolean[];
    ends bigint[];
    accepted boolean[];
    -- By an event's ordinal, its place among those that are stored; 0: it is not. Null: all are.
    places int[];
    newest bigint[] := event_latest;
    watermarks timestamptz[];
    lasts int[] := stream_lasts;
    finals bigint[] := stream_finals;
    hashes bytea := event_hashes;
    amount int := coalesce(cardinality(event_streams), 0);
    final int := amount;
    rolling bytea;
BEGIN
    SELECT * INTO before FROM heads WHERE domain = in_domain ORDER BY position DESC LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM extend(in_domain, 0);
        SELECT * INTO before FROM heads WHERE domain = in_domain ORDER BY position DESC LIMIT 1 FOR UPDATE;
    END IF;
    head := before.position;
    -- Strictly growing, so that one time marks the events of one append.
    moment := greatest(clock_timestamp(), before.time + interval '1 microsecond');

    IF counter_keys IS NOT NULL THEN
        BEGIN
            ends := append_plain(in_domain, head, names, stream_versions, stream_hashes, partition_keys, lasts, finals,
                                 event_hashes, ids, command_fingerprints, command_events, command_ends,
                                 command_versions, guard_commands, kinds, keys, counter_keys, counter_amounts,
                                 counter_least);
        EXCEPTION WHEN unique_violation OR serialization_failure THEN
            ends := NULL;
        END;
    END IF;
    IF ends IS NULL THEN
        SELECT array_agg(coalesce(s.version, 0) = n.version AND (s.version IS NULL
                         OR s.hash = substring(stream_hashes FROM (n.o::int - 1) * 32 + 1 FOR 32)) ORDER BY n.o),
               array_agg(coalesce(s.position, 0) ORDER BY n.o)
        INTO sound, ends
        FROM unnest(names, stream_versions) WITH ORDINALITY AS n (stream, version, o)
        LEFT JOIN LATERAL (SELECT * FROM streams WHERE domain = in_domain AND stream = n.stream LIMIT 1) s ON true;
        SELECT a.outcomes, a.accepted INTO outcomes, accepted
        FROM append_each(in_domain, head, sound, ids, command_fingerprints, command_events, command_versions,
                         part_commands, part_streams, part_events,
                         guard_commands, kinds, keys, guard_amounts, guard_floors) a;
        SELECT array_agg(CASE WHEN e.stored THEN e.place ELSE 0 END ORDER BY e.o), array_agg(e.latest ORDER BY e.o),
               count(*) FILTER (WHERE e.stored), max(e.o) FILTER (WHERE e.stored),
               string_agg(substring(event_hashes FROM (e.o::int - 1) * 32 + 1 FOR 32), '' ORDER BY e.o)
                   FILTER (WHERE e.stored)
        INTO places, newest, amount, final, hashes
        FROM (
            SELECT u.o, accepted[u.command] AS stored, count(*) FILTER (WHERE accepted[u.command]) OVER chain AS place,
                   max(u.happened) FILTER (WHERE accepted[u.command]) OVER chain AS latest
            FROM unnest(event_commands, event_times) WITH ORDINALITY AS u (command, happened, o)
            WINDOW chain AS (ORDER BY u.o)
        ) e;
        SELECT array_agg(coalesce(e.last, 0) ORDER BY n.o), array_agg(event_versions[e.last] ORDER BY n.o)
        INTO lasts, finals
        FROM generate_subscripts(names, 1) AS n (o)
        LEFT JOIN (
            SELECT u.target, max(u.o)::int AS last
            FROM unnest(event_streams) WITH ORDINALITY AS u (target, o) WHERE places[u.o] > 0 GROUP BY u.target
        ) e ON e.target = n.o;
        INSERT INTO streams
        SELECT in_domain, n.stream, n.final, head + coalesce(places[n.last], n.last),
               substring(event_hashes FROM (n.last - 1) * 32 + 1 FOR 32), n.key
        FROM unnest(names, partition_keys, lasts, finals) AS n (stream, key, last, final)
        WHERE n.last > 0
        ON CONFLICT (domain, stream) DO UPDATE
        SET version = excluded.version, position = excluded.position, hash = excluded.hash;
    END IF;
    IF amount = 0 THEN
        RETURN;
    END IF;
    IF head + amount > before.room - partition_size() / 4 THEN
        PERFORM extend(in_domain, amount);
    END IF;

    watermarks := ARRAY(
        SELECT greatest(before.watermark, greatest(before.latest, least(moment, 'epoch'::timestamptz
                   + e.latest * interval '1 microsecond')) - in_lateness)
        FROM unnest(newest) WITH ORDINALITY AS e (latest, o) ORDER BY e.o
    );
    rolling := sha256(before.digest || int8send(head + 1)
                      || int8send((extract(epoch FROM moment) * 1000000)::bigint) || hashes
                      || (SELECT string_agg(timestamptz_send(e.watermark), '' ORDER BY e.o)
                          FROM unnest(watermarks) WITH ORDINALITY AS e (watermark, o)
                          WHERE places IS NULL OR places[e.o] > 0));
    INSERT INTO events
    SELECT in_domain, head + coalesce(places[e.o], e.o),
           CASE WHEN e.before > 0 THEN head + coalesce(places[e.before], e.before) ELSE ends[e.target] END,
           e.version, moment, e.watermark, e.number, names[e.target], partition_keys[e.target], ids[e.command], e.type,
           substring(event_hashes FROM (e.o::int - 1) * 32 + 1 FOR 32), CASE WHEN e.o = final THEN rolling END,
           command_correlations[e.command], command_traceparents[e.command],
           substring(data FROM e.start FOR e.length)
    FROM unnest(event_streams, event_commands, event_numbers, string_to_array(event_types, E'\x1f'), event_versions,
                event_befores, watermarks, event_starts, event_lengths)
         WITH ORDINALITY AS e (target, command, number, type, version, before, watermark, start, length, o)
    WHERE places IS NULL OR places[e.o] > 0;

    UPDATE heads
    SET position = head + amount, time = moment, digest = rolling, watermark = watermarks[final],
        latest = greatest(before.latest, least(moment, 'epoch'::timestamptz
                                                       + newest[final] * interval '1 microsecond'))
    WHERE domain = in_domain AND position = head;
    PERFORM pg_notify('headrace', in_domain);
END
$$;

-- The way of `append` for a batch in which everything is acceptable: takes it for granted, and fails where it is not (a
-- unique violation or a serialization failure), for the caller to undo it and go command by command. Writes commands,
-- claims, counters and streams; answers the position of the last event of each stream before the batch (0: none).
CREATE FUNCTION append_plain(
    in_domain text, head bigint, names text[], versions bigint[], hashes bytea, partition_keys text[], lasts int[],
    finals bigint[], event_hashes bytea, ids text[], fingerprints bytea, command_events int[], command_ends int[],
    command_versions bigint[], guard_commands int[], kinds text[], guard_keys text[], counter_keys text[],
    counter_amounts bigint[], counter_least bigint[]
) RETURNS bigint[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    ends bigint[];
    missing bigint;
    changed bigint;
BEGIN
    INSERT INTO commands
    SELECT in_domain, c.id, substring(fingerprints FROM (c.o::int - 1) * 16 + 1 FOR 16), c.version, head + c.until,
           c.events
    FROM unnest(ids, command_versions, command_ends, command_events) WITH ORDINALITY AS c (id, version, until, events, o);

    -- Streams that were there, of which those that are only read are not written.
    WITH known AS MATERIALIZED (
        SELECT n.o, n.stream, n.version, n.last, n.final, substring(hashes FROM (n.o::int - 1) * 32 + 1 FOR 32) AS hash
        FROM unnest(names, versions, lasts, finals) WITH ORDINALITY AS n (stream, version, last, final, o)
        WHERE n.version > 0
    ), moved AS (
        UPDATE streams s
        SET version = n.final, position = head + n.last,
            hash = substring(event_hashes FROM (n.last - 1) * 32 + 1 FOR 32)
        FROM known n
        WHERE n.last > 0 AND s.domain = in_domain AND s.stream = n.stream AND s.version = n.version AND s.hash = n.hash
        RETURNING n.o, old.position
    ), read AS (
        SELECT n.o, s.position
        FROM known n
        CROSS JOIN LATERAL (
            SELECT * FROM streams t WHERE t.domain = in_domain AND t.stream = n.stream LIMIT 1
        ) s
        WHERE n.last = 0 AND s.version = n.version AND s.hash = n.hash
    ), there AS (
        SELECT * FROM moved UNION ALL SELECT * FROM read
    )
    SELECT array_agg(coalesce(t.position, 0) ORDER BY n.o), count(*) FILTER (WHERE n.version > 0 AND t.o IS NULL)
    INTO ends, missing
    FROM unnest(versions) WITH ORDINALITY AS n (version, o)
    LEFT JOIN there t ON t.o = n.o;
    IF missing > 0 THEN
        RAISE serialization_failure;
    END IF;

    INSERT INTO streams
    SELECT in_domain, n.stream, n.final, head + n.last,
           substring(event_hashes FROM (n.last - 1) * 32 + 1 FOR 32), n.key
    FROM unnest(names, versions, partition_keys, lasts, finals) AS n (stream, version, key, last, final)
    WHERE n.version = 0 AND n.last > 0;
    IF EXISTS (
        SELECT FROM unnest(names, versions, lasts) AS n (stream, version, last)
        CROSS JOIN LATERAL (SELECT FROM streams t WHERE t.domain = in_domain AND t.stream = n.stream LIMIT 1) s
        WHERE n.version = 0 AND n.last = 0
    ) THEN
        RAISE serialization_failure;
    END IF;

    INSERT INTO claims
    SELECT in_domain, g.key, ids[g.command]
    FROM unnest(guard_commands, kinds, guard_keys) AS g (command, kind, key) WHERE g.kind = 'claim';
    IF cardinality(counter_keys) > 0 THEN
        UPDATE counters t
        SET value = t.value + u.amount
        FROM unnest(counter_keys, counter_amounts, counter_least) AS u (key, amount, least)
        WHERE t.domain = in_domain AND t.key = u.key AND t.value >= u.least;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed < cardinality(counter_keys) THEN
            RAISE serialization_failure;
        END IF;
    END IF;
    RETURN ends;
END
$$;
