-- Totals
-- How many there are of everything that stands, counted in rows, and the same added up from the counters.

SELECT (SELECT count() FROM users FINAL) AS users,
       (SELECT count() FROM posts FINAL WHERE status = 'published') AS posts,
       (SELECT sum(u.posts) FROM users AS u FINAL) AS posts_counted,
       (SELECT count() FROM comments FINAL WHERE deleted_at IS NULL) AS comments,
       (SELECT sum(p.comments) FROM posts AS p FINAL) AS comments_counted,
       (SELECT count() FROM likes FINAL) AS likes,
       (SELECT sum(p.likes) FROM posts AS p FINAL) AS likes_counted,
       (SELECT count() FROM follows FINAL) AS follows,
       (SELECT sum(u.followers) FROM users AS u FINAL) AS follows_counted
