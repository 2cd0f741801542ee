-- Most followed
-- Users by their followers, with what they get for what they publish.
-- :limit UInt32 = 20  How many users.

SELECT user_id, handle, name, followers, following, posts, likes, round(likes / greatest(posts, 1), 2) AS likes_a_post
FROM users FINAL
ORDER BY followers DESC, user_id
LIMIT {limit:UInt32}
