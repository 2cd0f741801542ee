-- Tables of the bank. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.

CREATE TABLE IF NOT EXISTS ${projection}.accounts
(
    account_id String,
    holder_id String,
    currency LowCardinality(String),
    balance Decimal(38, 2),
    held Decimal(38, 2),
    overdraft Decimal(38, 2),
    turnover_in Decimal(38, 2),
    turnover_out Decimal(38, 2),
    entries UInt64,
    opened_at DateTime64(6, 'UTC'),
    moved_at Nullable(DateTime64(6, 'UTC')),
    closed_at Nullable(DateTime64(6, 'UTC')),
    ${row}
)
${replacing}
ORDER BY account_id
${window};

CREATE TABLE IF NOT EXISTS ${projection}.holders
(
    holder_id String,
    opened UInt64,
    closed UInt64,
    balances Map(String, Decimal(38, 2)),
    since DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY holder_id
${window};

CREATE TABLE IF NOT EXISTS ${projection}.holds
(
    hold String,
    account_id String,
    hold_id String,
    status LowCardinality(String),
    amount Decimal(18, 2),
    currency LowCardinality(String),
    captured Decimal(18, 2),
    placed_at DateTime64(6, 'UTC'),
    ended_at Nullable(DateTime64(6, 'UTC')),
    ${row}
)
${replacing}
ORDER BY hold
${window};

-- The journal: each event that moves money has an entry for its own account (leg 0) and one for the bank's (leg 1), and
-- they add up to nothing. In the order of a statement. Partitions are those of the events.
CREATE TABLE IF NOT EXISTS ${events}.entries
(
    account_id String,
    at DateTime64(6, 'UTC'),
    position UInt64,
    leg UInt8,
    type LowCardinality(String),
    amount Decimal(18, 2),
    currency LowCardinality(String),
    counterparty String,
    reference String
)
ENGINE = ReplacingMergeTree
PARTITION BY intDiv(position, 10000000)
ORDER BY (account_id, at, position, leg)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.entries_view TO ${events}.entries AS
SELECT entry.1 AS account_id, at, position, entry.2 AS leg, type, entry.3 AS amount, currency, entry.4 AS counterparty, reference
FROM
(
    SELECT position, event_time AS at, type, JSONExtractString(data, 'reference') AS reference,
           JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)') AS moved,
           JSONExtractString(data, 'amount', 'currency') AS currency,
           if(type IN ('Deposited', 'TransferReceived'), moved, -moved) AS own,
           concat(if(type IN ('Deposited', 'Withdrawn'), 'cash:', 'transit:'), currency) AS bank,
           multiIf(type = 'TransferReceived', JSONExtractString(data, 'from_account'),
                   type IN ('TransferSent', 'HoldCaptured'), JSONExtractString(data, 'to_account'), bank) AS other,
           arrayJoin([(stream, toUInt8(0), own, other), (bank, toUInt8(1), -own, stream)]) AS entry
    FROM ${events}.events
    WHERE type IN ('Deposited', 'Withdrawn', 'TransferSent', 'TransferReceived', 'HoldCaptured')
);

CREATE VIEW IF NOT EXISTS ${projection}.entries AS SELECT * FROM ${events}.entries FINAL;

-- What moved on each account in a day: a balance as of any day is a short sum.
CREATE TABLE IF NOT EXISTS ${events}.days
(
    account_id String,
    currency LowCardinality(String),
    day Date32,
    type LowCardinality(String),
    moved SimpleAggregateFunction(sum, Decimal(38, 2)),
    entries SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (account_id, currency, day, type)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.days_view TO ${events}.days AS
SELECT account_id, currency, day, type, sum(amount) AS moved, count() AS entries
FROM
(
    SELECT type, toDate32(event_time) AS day,
           JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)') AS sum_moved,
           JSONExtractString(data, 'amount', 'currency') AS currency,
           if(type IN ('Deposited', 'TransferReceived'), sum_moved, -sum_moved) AS own,
           concat(if(type IN ('Deposited', 'Withdrawn'), 'cash:', 'transit:'), currency) AS bank,
           arrayJoin([(stream, own), (bank, -own)]) AS entry, entry.1 AS account_id, entry.2 AS amount
    FROM ${events}.events
    WHERE type IN ('Deposited', 'Withdrawn', 'TransferSent', 'TransferReceived', 'HoldCaptured')
)
GROUP BY account_id, currency, day, type;

CREATE VIEW IF NOT EXISTS ${projection}.days AS SELECT * FROM ${events}.days;
