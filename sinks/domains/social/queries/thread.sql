-- Thread
-- The comments on a post in the order in which they are read: each below the one that it answers. Of deleted ones there
-- is the place alone; a deleted post has no thread.
-- :post_id String  The post.

SELECT comment_id, parent_id, length(path) - 1 AS depth, deleted_at IS NOT NULL ? '' : author_id AS author_id, text, at,
       deleted_at IS NOT NULL AS deleted
FROM comments FINAL
WHERE post_id = {post_id:String}
  AND post_id IN (SELECT post_id FROM posts FINAL WHERE post_id = {post_id:String} AND status = 'published')
ORDER BY path
