-- A post's counters are what its events add up to
-- Likes, comments and edits of each post that was published, and there is no other post.

SELECT post_id, said, are
FROM (
    SELECT post_id, (toInt64(likes), toInt64(comments), toInt64(edits), toUInt8(status = 'deleted')) AS said, position AS at
    FROM posts FINAL
    WHERE position <= {upto:UInt64}
) AS p
FULL JOIN (
    SELECT JSONExtractString(data, 'post_id') AS post_id,
           (toInt64(countIf(type = 'PostLiked')) - toInt64(countIf(type = 'PostUnliked')),
            toInt64(countIf(type = 'CommentAdded')) - toInt64(countIf(type = 'CommentDeleted')),
            toInt64(countIf(type = 'PostEdited')), toUInt8(countIf(type = 'PostDeleted'))) AS are, 1 AS there
    FROM events
    WHERE position <= {upto:UInt64}
      AND type IN ('PostPublished', 'PostEdited', 'PostDeleted', 'PostLiked', 'PostUnliked', 'CommentAdded', 'CommentDeleted')
    GROUP BY post_id
) AS e USING post_id
WHERE (said != are OR at = 0 OR there = 0)
  AND post_id NOT IN (SELECT post_id FROM posts FINAL WHERE position > {upto:UInt64})
