-- What was deleted has no text in any table
-- Posts, with their tags, and comments.

SELECT id, was
FROM (
    SELECT post_id AS id, 'post' AS was FROM posts FINAL WHERE status = 'deleted' AND (text != '' OR notEmpty(tags)) AND position <= {upto:UInt64}
    UNION ALL
    SELECT comment_id AS id, 'comment' AS was FROM comments FINAL WHERE deleted_at IS NOT NULL AND text != '' AND position <= {upto:UInt64}
)
