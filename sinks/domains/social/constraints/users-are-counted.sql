-- A user's counters are what the events add up to
-- Posts, followers and those who are followed; the two sides of a follow are events of two streams.

SELECT user_id, said, are
FROM (
    SELECT user_id, (toInt64(posts), toInt64(likes), toInt64(followers), toInt64(following)) AS said, position AS at
    FROM users FINAL
    WHERE position <= {upto:UInt64}
) AS u
FULL JOIN (
    SELECT partition_key AS user_id,
           (toInt64(countIf(type = 'PostPublished')) - toInt64(countIf(type = 'PostDeleted')),
            toInt64(countIf(type = 'PostLiked')) - toInt64(countIf(type = 'PostUnliked')),
            toInt64(countIf(type = 'FollowerGained')) - toInt64(countIf(type = 'FollowerLost')),
            toInt64(countIf(type = 'Followed')) - toInt64(countIf(type = 'Unfollowed'))) AS are, 1 AS there
    FROM events
    WHERE position <= {upto:UInt64}
    GROUP BY user_id
) AS e USING user_id
WHERE (said != are OR at = 0 OR there = 0)
  AND user_id NOT IN (SELECT user_id FROM users FINAL WHERE position > {upto:UInt64})
