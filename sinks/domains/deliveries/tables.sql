-- Deliveries. ${row} and ${replacing} are the columns and the engine that every aggregate's table has.

CREATE TABLE IF NOT EXISTS ${projection}.deliveries
(
    order_id String,
    customer_id String,
    country LowCardinality(String),
    status LowCardinality(String),
    carrier LowCardinality(String),
    booked_at DateTime64(6, 'UTC'),
    dispatched_at Nullable(DateTime64(6, 'UTC')),
    completed_at Nullable(DateTime64(6, 'UTC')),
    failed_at Nullable(DateTime64(6, 'UTC')),
    reason String,
    ${row}
)
${replacing}
ORDER BY order_id
${window};
