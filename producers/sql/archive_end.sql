-- The end of the last append at or before a position, or (when that is null) before an instant; 0 when there is none.
SELECT coalesce(max(position), 0)
FROM (
    SELECT position
    FROM events
    WHERE domain = %(domain)s AND digest IS NOT NULL
      AND position <= coalesce(%(position)s::bigint, position_before(%(domain)s, %(instant)s::timestamptz))
    ORDER BY position DESC
    LIMIT 1
) e
