-- Tables that every domain has. ${events} is the domain's database, ${projection} that of the projection version.
-- The deduplication window must be the same, and not zero, on a table and on every target of its views, and is set when
-- a table is made (sink protocol, rules 1 and 15).

CREATE DATABASE IF NOT EXISTS ${events};

CREATE DATABASE IF NOT EXISTS ${projection};

-- Every event once. Partitions are ranges of positions, not of time: a batch of history spans many months, and
-- each part of an insert takes an entry of the deduplication window.
CREATE TABLE IF NOT EXISTS ${events}.events
(
    position UInt64,
    id String,
    type LowCardinality(String),
    stream String,
    version UInt64,
    partition_key String,
    event_time DateTime64(6, 'UTC'),
    time DateTime64(6, 'UTC'),
    correlation_id String,
    causation_id String,
    hash String,
    data String CODEC(ZSTD(1)),    -- in the shape of the day it was loaded
    stored String CODEC(ZSTD(1)),  -- the very bytes that `hash` covers, where these are of an older shape
    kafka_partition UInt16,
    kafka_offset UInt64,
    INDEX by_stream stream TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY intDiv(position, 10000000)
ORDER BY position
${window};

-- Records that are no events, kept with their bytes: nothing is lost, and nothing stops.
CREATE TABLE IF NOT EXISTS ${events}.quarantine
(
    topic String,
    kafka_partition UInt16,
    kafka_offset UInt64,
    key String,
    value String,
    error String
)
ENGINE = MergeTree
ORDER BY (topic, kafka_partition, kafka_offset)
${window};

-- How complete the tables are: all that belongs to a partition up to `position` has been loaded. Written after the
-- rows; read as a maximum.
CREATE TABLE IF NOT EXISTS ${events}.progress
(
    topic String,
    epoch String,
    kafka_partition UInt16,
    position UInt64,
    time DateTime64(6, 'UTC'),
    kafka_offset UInt64,
    loaded_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(kafka_offset)
ORDER BY (topic, epoch, kafka_partition);

-- What the tables of each projection were made of at last: tells whether their definitions have changed since.
CREATE TABLE IF NOT EXISTS ${events}.definitions
(
    name String,
    fingerprint String,
    at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY name;

CREATE VIEW IF NOT EXISTS ${projection}.events AS SELECT * FROM ${events}.events;

CREATE VIEW IF NOT EXISTS ${projection}.progress AS SELECT * FROM ${events}.progress;
