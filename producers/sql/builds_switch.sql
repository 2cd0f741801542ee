-- Query another build from now on, one that is kept up to date, unless somebody else has switched meanwhile.
WITH locked AS (
    SELECT projection, build, state, live FROM builds WHERE domain = %(domain)s ORDER BY projection, build FOR UPDATE
), fit AS (
    SELECT bool_or((projection, build) = (%(former_projection)s, %(former_build)s) AND live)
       AND bool_or((projection, build) = (%(projection)s, %(build)s) AND state = 'following') AS both FROM locked
)
UPDATE builds
SET live = (builds.projection, builds.build) = (%(projection)s, %(build)s),
    former = (builds.projection, builds.build) = (%(former_projection)s, %(former_build)s),
    actor = CASE WHEN (builds.projection, builds.build) = (%(projection)s, %(build)s) THEN %(actor)s ELSE actor END,
    changed = CASE WHEN live OR (builds.projection, builds.build) = (%(projection)s, %(build)s) THEN now()
              ELSE changed END
FROM fit
WHERE domain = %(domain)s AND fit.both
