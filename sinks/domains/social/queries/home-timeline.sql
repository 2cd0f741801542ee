-- Home timeline
-- The newest posts of those whom a user follows, and of the user, as of an instant of publication.
-- :user_id String  Whose timeline.
-- :before DateTime64(6) = 2200-01-01T00:00:00Z  Posts published before this instant: the last one's, for the next page.
-- :limit UInt32 = 50  How many posts.

SELECT post_id, author_id, handle, name, text, tags, p.likes AS likes, p.comments AS comments, published_at, edits > 0 AS edited
FROM (
    SELECT *
    FROM posts FINAL
    WHERE status = 'published' AND published_at < {before:DateTime64(6)}
      AND author_id IN (
          SELECT followee_id FROM follows FINAL WHERE startsWith(follow_id, concat({user_id:String}, ':'))
          UNION ALL SELECT {user_id:String}
      )
    ORDER BY published_at DESC, post_id
    LIMIT {limit:UInt32}
) AS p
JOIN (SELECT user_id, handle, name FROM users FINAL) AS u ON p.author_id = u.user_id
ORDER BY published_at DESC, post_id
