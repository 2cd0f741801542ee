-- A new build of a projection, the next number; and a row for the build that is queried, and for build 0 of the
-- projection, where there was none yet.
WITH queried AS (
    INSERT INTO builds (domain, projection, build, state, live)
    VALUES (%(domain)s, %(live_projection)s, %(live_build)s, 'following', true)
    ON CONFLICT DO NOTHING
), first AS (
    INSERT INTO builds (domain, projection, build, state)
    SELECT %(domain)s, %(projection)s, 0, 'following'
    WHERE %(projection)s <> %(live_projection)s
    ON CONFLICT DO NOTHING
)
INSERT INTO builds (domain, projection, build, state, barrier, aggregate, code)
SELECT %(domain)s, %(projection)s, 1 + coalesce(max(build), 0), 'folding', %(barrier)s, %(aggregate)s,
       %(code)s
FROM builds
WHERE domain = %(domain)s AND projection = %(projection)s
RETURNING build
