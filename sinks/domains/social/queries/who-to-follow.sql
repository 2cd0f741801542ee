-- Who to follow
-- Users whom many of those follow whom a user follows, and whom the user does not follow yet.
-- :user_id String  Who looks for somebody.
-- :limit UInt32 = 10  How many users.

SELECT followee_id AS user_id, handle, name, count() AS followed_by, any(u.followers) AS followers
FROM (SELECT follower_id, followee_id FROM follows FINAL) AS theirs
JOIN (SELECT user_id, handle, name, followers FROM users FINAL) AS u ON theirs.followee_id = u.user_id
WHERE follower_id IN (SELECT followee_id FROM follows FINAL WHERE startsWith(follow_id, concat({user_id:String}, ':')))
  AND followee_id NOT IN (SELECT followee_id FROM follows FINAL WHERE startsWith(follow_id, concat({user_id:String}, ':')))
  AND followee_id != {user_id:String}
GROUP BY user_id, handle, name
ORDER BY followed_by DESC, followers DESC, user_id
LIMIT {limit:UInt32}
