-- Payments. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.

CREATE TABLE IF NOT EXISTS ${projection}.payments
(
    order_id String,
    customer_id String,
    status LowCardinality(String),
    amount Decimal(18, 2),
    currency LowCardinality(String),
    requested_at DateTime64(6, 'UTC'),
    due_at DateTime64(6, 'UTC'),
    received_at Nullable(DateTime64(6, 'UTC')),
    ended_at Nullable(DateTime64(6, 'UTC')),
    reason String,
    returned UInt32,
    ${row}
)
${replacing}
ORDER BY order_id
${window};

-- Money that came in and went out again, by day and currency.
CREATE TABLE IF NOT EXISTS ${events}.takings
(
    day Date32,
    currency LowCardinality(String),
    received SimpleAggregateFunction(sum, Decimal(38, 2)),
    refunded SimpleAggregateFunction(sum, Decimal(38, 2)),
    payments SimpleAggregateFunction(sum, UInt64),
    refunds SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (day, currency)
${window};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${events}.takings_view TO ${events}.takings AS
SELECT toDate32(event_time) AS day,
       JSONExtractString(data, 'amount', 'currency') AS currency,
       sumIf(JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)'), type = 'PaymentReceived') AS received,
       sumIf(JSONExtract(data, 'amount', 'amount', 'Decimal(18, 2)'), type = 'PaymentRefunded') AS refunded,
       countIf(type = 'PaymentReceived') AS payments,
       countIf(type = 'PaymentRefunded') AS refunds
FROM ${events}.events
WHERE type IN ('PaymentReceived', 'PaymentRefunded')
GROUP BY day, currency;

CREATE VIEW IF NOT EXISTS ${projection}.takings AS SELECT * FROM ${events}.takings;
