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

-- Many streams at once, each after its own version: first one row a stream that exists, without an event (version
-- and data null), then the events, oldest first in each stream.
CREATE FUNCTION load_streams(in_domain text, names text[], after bigint[])
RETURNS TABLE (
    name text, key text, last_version bigint, last_hash bytea, number bigint, body bytea
) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE wanted AS MATERIALIZED (
        SELECT s.stream, s.partition_key, s.version, s.hash, s.position, n.after
        FROM unnest(names, after) AS n (stream, after)
        CROSS JOIN LATERAL (SELECT * FROM streams t WHERE t.domain = in_domain AND t.stream = n.stream LIMIT 1) s
    ), chain AS (
        SELECT e.stream, e.version, e.data, e.previous, w.after
        FROM wanted w
        CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = in_domain AND v.position = w.position LIMIT 1) e
        WHERE w.version > w.after
        UNION ALL
        SELECT e.stream, e.version, e.data, e.previous, c.after
        FROM chain c
        CROSS JOIN LATERAL (SELECT * FROM events v WHERE v.domain = in_domain AND v.position = c.previous LIMIT 1) e
        WHERE c.version > c.after + 1
    )
    SELECT w.stream, w.partition_key, w.version, w.hash, null::bigint, null::bytea FROM wanted w
    UNION ALL
    (SELECT c.stream, null, null, null, c.version, c.data FROM chain c ORDER BY c.version);
END
$$;
