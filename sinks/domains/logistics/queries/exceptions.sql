-- Exceptions
-- What went wrong by site and code.

SELECT site, code, sum(e.reports) AS reports
FROM exceptions_by_day AS e
GROUP BY site, code
ORDER BY reports DESC, site, code
