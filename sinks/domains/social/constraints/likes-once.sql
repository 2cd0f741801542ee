-- Nobody likes a post twice
-- In the order of the events a like is followed by its end before the next one.

SELECT stream, likes, ends
FROM (
    SELECT stream, countIf(type = 'PostLiked') AS likes, countIf(type = 'PostUnliked') AS ends
    FROM events
    WHERE position <= {upto:UInt64} AND type IN ('PostLiked', 'PostUnliked')
    GROUP BY stream
)
WHERE likes NOT IN (ends, ends + 1)
