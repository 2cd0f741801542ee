-- Trending tags
-- Tags of the posts of a period that stand, by how many people used them.
-- :since DateTime64(6) = 2000-01-01T00:00:00Z  First instant of publication.
-- :until DateTime64(6) = 2200-01-01T00:00:00Z  The instant before which they were published.
-- :limit UInt32 = 20  How many tags.

SELECT arrayJoin(tags) AS tag, uniqExact(author_id) AS people, count() AS posts, sum(likes) AS likes
FROM posts FINAL
WHERE status = 'published' AND published_at >= {since:DateTime64(6)} AND published_at < {until:DateTime64(6)}
GROUP BY tag
ORDER BY people DESC, posts DESC, tag
LIMIT {limit:UInt32}
