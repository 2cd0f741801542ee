-- Activity
-- Likes and comments that stand, by the hour in which they were given, and on how many posts.
-- :since DateTime64(6) = 2000-01-01T00:00:00Z  First instant.
-- :until DateTime64(6) = 2106-01-01T00:00:00Z  The instant before which it ends.

SELECT hour, sum(e.likes) AS likes, sum(e.comments) AS comments, uniqExact(post_id) AS posts
FROM (
    SELECT hour, post_id, sum(x.likes) AS likes, sum(x.comments) AS comments
    FROM engagement_by_hour AS x
    WHERE hour >= {since:DateTime64(6)} AND hour < {until:DateTime64(6)}
    GROUP BY hour, post_id
    HAVING likes != 0 OR comments != 0
) AS e
GROUP BY hour
ORDER BY hour
