-- Tables of trading. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.
-- Prices are in ticks, quantities in lots, money is in ticks times lots.

CREATE TABLE IF NOT EXISTS ${projection}.instruments
(
    instrument_id String,
    currency LowCardinality(String),
    decimals UInt8,
    listed_at DateTime64(6, 'UTC'),
    orders UInt64,
    trades UInt64,
    volume UInt64,
    turnover Int64,
    last_price Nullable(Int64),
    last_at Nullable(DateTime64(6, 'UTC')),
    ${row}
)
${replacing}
ORDER BY instrument_id
${window};

-- By instrument: depth reads the open orders of one book.
CREATE TABLE IF NOT EXISTS ${projection}.orders
(
    order_key String,
    instrument_id LowCardinality(String),
    order_id String,
    trader_id String,
    side LowCardinality(String),
    kind LowCardinality(String),
    price Nullable(Int64),
    status LowCardinality(String),
    quantity UInt64,
    open UInt64,
    filled UInt64,
    cancelled UInt64,
    turnover Int64,
    placed_at DateTime64(6, 'UTC'),
    changed_at DateTime64(6, 'UTC'),
    ${row},
    INDEX by_status status TYPE set(3) GRANULARITY 1
)
${replacing}
ORDER BY (instrument_id, order_key)
${window};

CREATE TABLE IF NOT EXISTS ${projection}.positions
(
    position_key String,
    instrument_id LowCardinality(String),
    trader_id String,
    quantity Int64,
    cost Int64,
    realised Int64,
    bought UInt64,
    sold UInt64,
    fills UInt64,
    changed_at DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY (instrument_id, trader_id, position_key)
${window};

-- The tape: every trade once, as the order that came saw it. Partitions are those of the events.
CREATE TABLE IF NOT EXISTS ${events}.trades
(
    instrument_id LowCardinality(String),
    at DateTime64(6, 'UTC'),
    position UInt64,
    trade UInt64,
    price Int64,
    quantity UInt64,
    aggressor LowCardinality(String),
    buyer String,
    seller String
)
ENGINE = ReplacingMergeTree
PARTITION BY intDiv(position, 10000000)
ORDER BY (instrument_id, at, position)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.trades_view TO ${events}.trades AS
SELECT stream AS instrument_id, event_time AS at, position, JSONExtractUInt(data, 'trade') AS trade,
       JSONExtractInt(data, 'price') AS price, JSONExtractUInt(data, 'quantity') AS quantity,
       JSONExtractString(data, 'side') AS aggressor,
       JSONExtractString(data, if(aggressor = 'buy', 'trader_id', 'counterparty')) AS buyer,
       JSONExtractString(data, if(aggressor = 'buy', 'counterparty', 'trader_id')) AS seller
FROM ${events}.events
WHERE type = 'OrderFilled' AND JSONExtractString(data, 'role') = 'taker';

CREATE VIEW IF NOT EXISTS ${projection}.trades AS SELECT * FROM ${events}.trades FINAL;

-- Candles by event time: a trade is in the minute, the hour and the day (UTC) that `at` says, whenever it comes.
-- `opened` and `closed` are the first and the last trade as (at, position, price): the price of the least and the greatest.
CREATE TABLE IF NOT EXISTS ${events}.candles
(
    instrument_id LowCardinality(String),
    width LowCardinality(String),
    start DateTime('UTC'),
    opened SimpleAggregateFunction(min, Tuple(DateTime64(6, 'UTC'), UInt64, Int64)),
    closed SimpleAggregateFunction(max, Tuple(DateTime64(6, 'UTC'), UInt64, Int64)),
    high SimpleAggregateFunction(max, Int64),
    low SimpleAggregateFunction(min, Int64),
    volume SimpleAggregateFunction(sum, UInt64),
    turnover SimpleAggregateFunction(sum, Int64),
    trades SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (instrument_id, width, start)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.candles_view TO ${events}.candles AS
SELECT instrument_id, piece.1 AS width, piece.2 AS start,
       min(each) AS opened, max(each) AS closed, max(price) AS high, min(price) AS low,
       sum(lots) AS volume, sum(price * lots) AS turnover, count() AS trades
FROM
(
    SELECT stream AS instrument_id, JSONExtractInt(data, 'price') AS price, JSONExtractInt(data, 'quantity') AS lots,
           (event_time, position, price) AS each,
           arrayJoin([('minute', toDateTime(toStartOfMinute(event_time), 'UTC')), ('hour', toDateTime(toStartOfHour(event_time), 'UTC')),
                      ('day', toDateTime(toStartOfDay(event_time), 'UTC'))]) AS piece
    FROM ${events}.events
    WHERE type = 'OrderFilled' AND JSONExtractString(data, 'role') = 'taker'
)
GROUP BY instrument_id, width, start;

CREATE VIEW IF NOT EXISTS ${projection}.candles AS SELECT * FROM ${events}.candles;
