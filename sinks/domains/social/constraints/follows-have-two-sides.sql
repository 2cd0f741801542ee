-- A follow is on both sides, or on none
-- The sides are two events of one append; the last position may lie between them.

SELECT pair, followed, gained
FROM (
    SELECT concat(JSONExtractString(data, 'follower_id'), ':', JSONExtractString(data, 'followee_id')) AS pair,
           toInt64(countIf(type = 'Followed')) - toInt64(countIf(type = 'Unfollowed')) AS followed,
           toInt64(countIf(type = 'FollowerGained')) - toInt64(countIf(type = 'FollowerLost')) AS gained,
           max(position) AS last
    FROM events
    WHERE position <= {upto:UInt64} AND type IN ('Followed', 'Unfollowed', 'FollowerGained', 'FollowerLost')
    GROUP BY pair
)
WHERE (followed != gained OR followed NOT IN (0, 1)) AND last < {upto:UInt64}
