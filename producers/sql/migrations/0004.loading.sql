-- The events of one stream after a version, oldest first. Follows the chain of positions from streams.position.
CREATE FUNCTION stream_events(in_domain text, in_stream text, after bigint DEFAULT 0)
RETURNS SETOF events LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE chain AS (
        SELECT e.*
        FROM (SELECT * FROM streams t WHERE t.domain = in_domain AND t.stream = in_stream LIMIT 1) s
        CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = in_domain AND v.position = s.position LIMIT 1) e
        WHERE e.version > after
        UNION ALL
        SELECT e.*
        FROM chain c
        CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = in_domain AND v.position = c.previous LIMIT 1) e
        WHERE c.version > after + 1
    )
    SELECT * FROM chain c ORDER BY c.version;
END
$$;

-- Many streams at once, each after its own version: first one row a stream that exists, without an event (number and
-- body null); then its events after that version, oldest first, and for the version itself (unless it is 0) a row with
-- its hash and without a body. A stream with more than `longest` such events comes without them, and so do those with
-- which they would be more than `most` altogether.
CREATE FUNCTION load_streams(in_domain text, names text[], after bigint[], longest bigint, most bigint)
RETURNS TABLE (
    name text, key text, last_version bigint, last_hash bytea, number bigint, body bytea
) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE found AS (
        SELECT s.stream, s.partition_key, s.version, s.hash, s.position, n.after, n.o,
               CASE WHEN s.version - n.after <= longest THEN greatest(s.version - n.after, 0) END AS amount
        FROM unnest(names, after) WITH ORDINALITY AS n (stream, after, o)
        CROSS JOIN LATERAL (SELECT * FROM streams t WHERE t.domain = in_domain AND t.stream = n.stream LIMIT 1) s
    ), wanted AS MATERIALIZED (
        SELECT f.*, amount IS NOT NULL AND sum(amount) OVER (ORDER BY f.o) <= most AS whole FROM found f
    ), chain AS (
        SELECT e.stream, e.version, e.data, e.hash, e.previous, w.after
        FROM wanted w
        CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = in_domain AND v.position = w.position LIMIT 1) e
        WHERE w.whole AND w.version >= w.after
        UNION ALL
        SELECT e.stream, e.version, e.data, e.hash, e.previous, c.after
        FROM chain c
        CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = in_domain AND v.position = c.previous LIMIT 1) e
        WHERE c.version > greatest(c.after, 1)
    )
    SELECT w.stream, w.partition_key, w.version, w.hash, null::bigint, null::bytea FROM wanted w
    UNION ALL
    (SELECT c.stream, null, null, CASE WHEN c.version = c.after THEN c.hash END, c.version,
            CASE WHEN c.version > c.after THEN c.data END
     FROM chain c ORDER BY c.version);
END
$$;
