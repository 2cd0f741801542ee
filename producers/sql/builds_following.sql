-- The builds of all domains that are kept up to date, each domain's live one first; build -1 where a projection has none.
SELECT domain, projection, build, live
FROM builds
WHERE state = 'following'
UNION ALL
SELECT domain, projection, -1, false
FROM builds
GROUP BY domain, projection
HAVING NOT bool_or(state = 'following')
ORDER BY domain, live DESC, projection, build
