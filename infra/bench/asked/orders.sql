-- The orders of the same groups as they stand at last; `versions` tells their versions apart.

INSERT INTO ${projection}.orders
    (order_id, customer_id, status, items, total, currency, placed_at, paid_at, shipped_at, delivered_at, cancelled_at,
     position, epoch, is_deleted, kafka_partition, kafka_offset)
SELECT arrayJoin(if(cancelled, [concat(id, '-a'), concat(id, '-b')], [id])) AS order_id,
       concat('customer-', toString(sipHash64(grouped) % 100000)) AS customer_id,
       if(cancelled, 'cancelled', 'delivered') AS status,
       sipHash64(grouped, 2) % 9 + 1 AS items,
       toDecimal64(100 + sipHash64(grouped, 3) % 90000, 2) / 100 AS total,
       if(grouped % 10 < 7, 'USD', 'EUR') AS currency,
       toDateTime64('2024-01-01', 6, 'UTC') + toIntervalSecond(grouped * 20) AS placed_at,
       if(cancelled, NULL, placed_at + toIntervalSecond(5)) AS paid_at,
       if(cancelled, NULL, placed_at + toIntervalSecond(10)) AS shipped_at,
       if(cancelled, NULL, placed_at + toIntervalSecond(15)) AS delivered_at,
       if(cancelled, placed_at + toIntervalSecond(5), NULL) AS cancelled_at,
       grouped * 4 + 4 AS position, 0 AS epoch, 0 AS is_deleted,
       sipHash64(customer_id) % 4 AS kafka_partition,
       grouped * 4 + ${versions} * 1000000000 AS kafka_offset
FROM
(
    SELECT number AS grouped, grouped % 25 = 0 AS cancelled, concat('order-', leftPad(toString(grouped), 8, '0')) AS id
    FROM numbers(${first}, ${count})
);
