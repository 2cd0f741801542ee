-- Tables of sensors, values in the unit of what is measured. ${row} and ${replacing} are the columns and the engine that
-- every aggregate's table has.

CREATE TABLE IF NOT EXISTS ${projection}.sensors
(
    sensor_id String,
    site LowCardinality(String),
    kind LowCardinality(String),
    measure LowCardinality(String),
    unit LowCardinality(String),
    every_seconds UInt32,
    installed_at DateTime64(6, 'UTC'),
    readings UInt64,
    rejected UInt64,
    anomalies UInt64,
    total Decimal(38, 3),
    last_value Nullable(Decimal(18, 3)),
    last_at Nullable(DateTime64(6, 'UTC')),
    retired_at Nullable(DateTime64(6, 'UTC')),
    ${row}
)
${replacing}
ORDER BY sensor_id
${window};

-- Windows: by sensor and start, as charts ask for them.
CREATE TABLE IF NOT EXISTS ${projection}.hourly
(
    span String,
    sensor_id String,
    measure LowCardinality(String),
    start DateTime64(6, 'UTC'),
    readings UInt32,
    lowest Decimal(18, 3),
    highest Decimal(18, 3),
    total Decimal(38, 3),
    mean Decimal(18, 3),
    p10 Decimal(18, 3),
    p50 Decimal(18, 3),
    p90 Decimal(18, 3),
    p99 Decimal(18, 3),
    anomalies UInt32,
    late UInt32,
    final Bool,
    ${row}
)
${replacing}
PARTITION BY toYear(start)
ORDER BY (sensor_id, start, span)
${window};

CREATE TABLE IF NOT EXISTS ${projection}.daily
(
    span String,
    sensor_id String,
    measure LowCardinality(String),
    start DateTime64(6, 'UTC'),
    readings UInt32,
    lowest Decimal(18, 3),
    highest Decimal(18, 3),
    total Decimal(38, 3),
    mean Decimal(18, 3),
    p10 Decimal(18, 3),
    p50 Decimal(18, 3),
    p90 Decimal(18, 3),
    p99 Decimal(18, 3),
    anomalies UInt32,
    late UInt32,
    final Bool,
    ${row}
)
${replacing}
PARTITION BY toYear(start)
ORDER BY (sensor_id, start, span)
${window};

-- Every reading that counts, by sensor and event time. Partitions are those of the events.
CREATE TABLE IF NOT EXISTS ${events}.readings
(
    sensor_id String,
    at DateTime64(6, 'UTC'),
    position UInt64,
    measure LowCardinality(String),
    value Decimal(18, 3),
    expected Nullable(Decimal(18, 3)),
    deviation Nullable(Decimal(18, 3)),
    anomalous Bool
)
ENGINE = ReplacingMergeTree
PARTITION BY intDiv(position, 10000000)
ORDER BY (sensor_id, at, position)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.readings_view TO ${events}.readings AS
SELECT stream AS sensor_id, event_time AS at, position, JSONExtractString(data, 'measure') AS measure,
       toDecimal64(JSONExtractInt(data, 'value'), 3) / 1000 AS value,
       toDecimal64(JSONExtract(data, 'expected', 'Nullable(Int64)'), 3) / 1000 AS expected,
       toDecimal64(JSONExtract(data, 'deviation', 'Nullable(Int64)'), 3) / 1000 AS deviation,
       JSONExtractBool(data, 'anomalous') AS anomalous
FROM ${events}.events
WHERE type = 'ReadingTaken';

CREATE VIEW IF NOT EXISTS ${projection}.readings AS SELECT * FROM ${events}.readings FINAL;
