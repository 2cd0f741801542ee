-- Trending
-- Posts by what is said of them lately: each like counts one, each comment two, and after every half-life half as much.
-- Those that are taken back do not count, nor do deleted posts. Ages are full hours.
-- :at DateTime64(6)  The instant from which ages are counted; what comes after it does not count.
-- :half_life Float64 = 6  After how many hours a like is worth half.
-- :limit UInt32 = 10  How many posts.

SELECT post_id, author_id, tags, score, t.likes AS likes, t.comments AS comments, published_at
FROM (
    SELECT post_id, sum(e.likes) AS likes, sum(e.comments) AS comments,
           round(sum((e.likes + 2 * e.comments) * exp2(-dateDiff('hour', hour, toStartOfHour({at:DateTime64(6)})) / {half_life:Float64})), 4) AS score
    FROM engagement_by_hour AS e
    WHERE hour <= {at:DateTime64(6)}
    GROUP BY post_id
) AS t
JOIN (SELECT post_id, author_id, tags, published_at FROM posts FINAL WHERE status = 'published') AS p USING post_id
WHERE score > 0
ORDER BY score DESC, post_id
LIMIT {limit:UInt32}
