-- Tables of the network. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.
-- Rows of posts, users and comments are never removed, so these may be ordered by what is asked for; likes and follows
-- are, and a removal knows the key alone: their keys begin with what is asked for.

-- By author and time: a timeline reads a few short runs. Reads by id use the index.
CREATE TABLE IF NOT EXISTS ${projection}.posts
(
    post_id String,
    author_id String,
    status LowCardinality(String),
    text String CODEC(ZSTD(1)),
    tags Array(LowCardinality(String)),
    likes UInt64,
    comments UInt64,
    edits UInt32,
    published_at DateTime64(6, 'UTC'),
    edited_at Nullable(DateTime64(6, 'UTC')),
    deleted_at Nullable(DateTime64(6, 'UTC')),
    ${row},
    INDEX by_id post_id TYPE bloom_filter(0.01) GRANULARITY 1
)
${replacing}
PARTITION BY toYear(published_at)
ORDER BY (author_id, published_at, post_id)
${window};

CREATE TABLE IF NOT EXISTS ${projection}.users
(
    user_id String,
    handle String,
    name String,
    posts UInt64,
    likes UInt64,
    followers UInt64,
    following UInt64,
    joined_at DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY user_id
${window};

-- By post: a thread is one run.
CREATE TABLE IF NOT EXISTS ${projection}.comments
(
    comment_id String,
    post_id String,
    author_id String,
    parent_id Nullable(String),
    path Array(String),
    text String CODEC(ZSTD(1)),
    at DateTime64(6, 'UTC'),
    deleted_at Nullable(DateTime64(6, 'UTC')),
    ${row},
    INDEX by_id comment_id TYPE bloom_filter(0.01) GRANULARITY 1
)
${replacing}
ORDER BY (post_id, comment_id)
${window};

CREATE TABLE IF NOT EXISTS ${projection}.likes
(
    like_id String,    -- post:user
    post_id String,
    user_id String,
    at DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY like_id
${window};

CREATE TABLE IF NOT EXISTS ${projection}.follows
(
    follow_id String,    -- follower:followee
    follower_id String,
    followee_id String,
    at DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY follow_id
${window};

-- Likes and comments of a post by the hour in which they were given. One that is taken back is taken out of that hour:
-- the hours add up to those that stand.
CREATE TABLE IF NOT EXISTS ${events}.engagement_by_hour
(
    hour DateTime('UTC'),
    post_id String,
    likes SimpleAggregateFunction(sum, Int64),
    comments SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(hour)
ORDER BY (hour, post_id)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.engagement_by_hour_view TO ${events}.engagement_by_hour AS
SELECT toStartOfHour(toDateTime(parseDateTime64BestEffort(multiIf(
           type = 'PostUnliked', JSONExtractString(data, 'liked_at'),
           type = 'CommentDeleted', JSONExtractString(data, 'commented_at'),
           JSONExtractString(data, 'at')
       ), 6, 'UTC'), 'UTC')) AS hour,
       JSONExtractString(data, 'post_id') AS post_id,
       sum(multiIf(type = 'PostLiked', toInt64(1), type = 'PostUnliked', toInt64(-1), toInt64(0))) AS likes,
       sum(multiIf(type = 'CommentAdded', toInt64(1), type = 'CommentDeleted', toInt64(-1), toInt64(0))) AS comments
FROM ${events}.events
WHERE type IN ('PostLiked', 'PostUnliked', 'CommentAdded', 'CommentDeleted')
GROUP BY hour, post_id;

CREATE VIEW IF NOT EXISTS ${projection}.engagement_by_hour AS SELECT * FROM ${events}.engagement_by_hour;
