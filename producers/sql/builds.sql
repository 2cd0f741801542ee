SELECT projection, build, state, live, former, barrier, aggregate, actor, began, changed, code
FROM builds
WHERE domain = %(domain)s
ORDER BY projection, build
