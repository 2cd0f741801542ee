-- The customers of the orders, and the products.

INSERT INTO ${projection}.customers
    (customer_id, orders, items, spent, first_purchase, last_purchase, delivered, cancelled,
     position, epoch, is_deleted, kafka_partition, kafka_offset)
SELECT customer_id, countIf(kept), sumIf(o.items, kept), sumMap(map(toString(currency), if(kept, toDecimal128(o.total, 2), 0))),
       min(placed_at), max(placed_at), countIf(kept), countIf(NOT kept),
       max(position), 0, 0, any(o.kafka_partition), max(o.kafka_offset)
FROM (SELECT *, status != 'cancelled' AS kept FROM ${projection}.orders) AS o
GROUP BY customer_id;

INSERT INTO ${projection}.products
    (sku, name, price, currency, supplied, added_at, withdrawn_at, position, epoch, is_deleted, kafka_partition, kafka_offset)
SELECT concat('product-', toString(number)), concat('Product ', toString(number)), 10, 'USD', 1000000,
       toDateTime64('2023-01-01', 6, 'UTC'), NULL, 0, 0, 0, number % 4, number
FROM numbers(1000);
