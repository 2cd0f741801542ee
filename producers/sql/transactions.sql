-- Where the numbers of transactions stand: all below the first have ended, none from the second on has begun.
SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s
