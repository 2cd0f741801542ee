-- Tables of the orders. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.

CREATE TABLE IF NOT EXISTS ${projection}.orders
(
    order_id String,
    customer_id String,
    status LowCardinality(String),
    items UInt64,
    total Decimal(18, 2),
    currency LowCardinality(String),
    placed_at DateTime64(6, 'UTC'),
    paid_at Nullable(DateTime64(6, 'UTC')),
    shipped_at Nullable(DateTime64(6, 'UTC')),
    delivered_at Nullable(DateTime64(6, 'UTC')),
    cancelled_at Nullable(DateTime64(6, 'UTC')),
    ${row}
)
${replacing}
ORDER BY order_id
${window};

CREATE TABLE IF NOT EXISTS ${projection}.customers
(
    customer_id String,
    orders UInt64,
    items UInt64,
    spent Map(String, Decimal(18, 2)),
    first_purchase DateTime64(6, 'UTC'),
    last_purchase DateTime64(6, 'UTC'),
    delivered UInt64,
    cancelled UInt64,
    ${row}
)
${replacing}
ORDER BY customer_id
${window};

CREATE TABLE IF NOT EXISTS ${projection}.products
(
    sku String,
    name String,
    price Nullable(Decimal(18, 2)),
    currency LowCardinality(String),
    supplied UInt64,
    added_at DateTime64(6, 'UTC'),
    withdrawn_at Nullable(DateTime64(6, 'UTC')),
    ${row}
)
${replacing}
ORDER BY sku
${window};

-- Revenue and orders by the month in which they were placed; a cancellation counts in its own month.
CREATE TABLE IF NOT EXISTS ${events}.revenue_by_month
(
    month Date32,
    currency LowCardinality(String),
    orders SimpleAggregateFunction(sum, UInt64),
    items SimpleAggregateFunction(sum, UInt64),
    revenue SimpleAggregateFunction(sum, Decimal(38, 2)),
    cancelled SimpleAggregateFunction(sum, UInt64),
    returned SimpleAggregateFunction(sum, UInt64),
    refunded SimpleAggregateFunction(sum, Decimal(38, 2))
)
ENGINE = AggregatingMergeTree
ORDER BY (month, currency)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.revenue_by_month_view TO ${events}.revenue_by_month AS
SELECT toDate32(formatDateTime(event_time, '%Y-%m-01')) AS month,
       JSONExtractString(data, 'total', 'currency') AS currency,
       countIf(type = 'OrderPlaced') AS orders,
       sumIf(JSONExtractUInt(data, 'items'), type = 'OrderPlaced') AS items,
       sumIf(JSONExtract(data, 'total', 'amount', 'Decimal(18, 2)'), type = 'OrderPlaced') AS revenue,
       countIf(type = 'OrderCancelled') AS cancelled,
       sumIf(JSONExtractUInt(data, 'items'), type = 'OrderCancelled') AS returned,
       sumIf(JSONExtract(data, 'total', 'amount', 'Decimal(18, 2)'), type = 'OrderCancelled') AS refunded
FROM ${events}.events
WHERE type IN ('OrderPlaced', 'OrderCancelled')
GROUP BY month, currency;

CREATE VIEW IF NOT EXISTS ${projection}.revenue_by_month AS SELECT * FROM ${events}.revenue_by_month;

-- How many pieces of each product are ordered and not cancelled: a cancellation gives its pieces back.
CREATE TABLE IF NOT EXISTS ${events}.ordered_pieces
(
    sku String,
    ordered SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY sku
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.ordered_pieces_view TO ${events}.ordered_pieces AS
SELECT piece.1 AS sku, sum(piece.2) AS ordered
FROM
(
    SELECT arrayJoin(if(
        type = 'OrderPlaced',
        arrayMap(line -> (line.1, toInt64(line.2)), JSONExtract(data, 'lines', 'Array(Tuple(sku String, quantity UInt32))')),
        arrayMap(piece -> (piece.1, -piece.2), JSONExtractKeysAndValues(data, 'pieces', 'Int64'))
    )) AS piece
    FROM ${events}.events
    WHERE type IN ('OrderPlaced', 'OrderCancelled')
)
WHERE piece.1 != ''
GROUP BY sku;

CREATE VIEW IF NOT EXISTS ${projection}.ordered_pieces AS SELECT * FROM ${events}.ordered_pieces;
