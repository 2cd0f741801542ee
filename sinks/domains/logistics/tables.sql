-- Tables of logistics. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.

-- By lane and promise: reports go by lane and period. Reads by id use the index.
CREATE TABLE IF NOT EXISTS ${projection}.shipments
(
    shipment_id String,
    customer_id String,
    origin LowCardinality(String),
    destination LowCardinality(String),
    weight UInt32,
    status LowCardinality(String),
    site LowCardinality(String),
    seen_at DateTime64(6, 'UTC'),
    promised_at DateTime64(6, 'UTC'),
    estimated_at DateTime64(6, 'UTC'),
    booked_at DateTime64(6, 'UTC'),
    delay UInt32,    -- seconds
    scans UInt32,
    disordered UInt32,
    exceptions UInt32,
    last_exception LowCardinality(String),
    delivered_at Nullable(DateTime64(6, 'UTC')),
    proof String,
    ${row},
    INDEX by_id shipment_id TYPE bloom_filter(0.01) GRANULARITY 1
)
${replacing}
PARTITION BY toYear(promised_at)
ORDER BY (origin, destination, promised_at, shipment_id)
${window};

-- By shipment and event time: where a parcel was at an instant is the end of a run.
CREATE TABLE IF NOT EXISTS ${projection}.sightings
(
    sighting_id String,
    shipment_id String,
    site LowCardinality(String),
    kind LowCardinality(String),
    at DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY (shipment_id, at, sighting_id)
${window};

-- Exceptions by day and site.
CREATE TABLE IF NOT EXISTS ${events}.exceptions_by_day
(
    day Date32,
    site LowCardinality(String),
    code LowCardinality(String),
    reports SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (day, site, code)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.exceptions_by_day_view TO ${events}.exceptions_by_day AS
SELECT toDate32(event_time) AS day, JSONExtractString(data, 'site') AS site, JSONExtractString(data, 'code') AS code,
       count() AS reports
FROM ${events}.events
WHERE type = 'ExceptionReported'
GROUP BY day, site, code;

CREATE VIEW IF NOT EXISTS ${projection}.exceptions_by_day AS SELECT * FROM ${events}.exceptions_by_day;
