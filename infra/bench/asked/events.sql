-- Events of groups of four: an order that is placed, paid, shipped and delivered; or two that are placed and cancelled.

INSERT INTO ${events}.events
    (position, id, type, stream, version, partition_key, event_time, time, correlation_id, causation_id, hash, data,
     stored, kafka_partition, kafka_offset)
SELECT number + 1 AS position,
       toString(position) AS id,
       transform(step, [0, 1, 2, 3, 4], ['OrderPlaced', 'OrderPaid', 'OrderShipped', 'OrderDelivered', 'OrderCancelled'], '') AS type,
       if(cancelled, concat(order_id, if(number % 4 < 2, '-a', '-b')), order_id) AS stream,
       if(cancelled, number % 2, number % 4) + 1 AS version,
       customer AS partition_key,
       toDateTime64('2024-01-01', 6, 'UTC') + toIntervalSecond(number * 5) AS event_time,
       event_time AS time,
       '' AS correlation_id, '' AS causation_id,
       hex(sipHash128(number)) AS hash,
       multiIf(
           step = 0, concat('{"type":"OrderPlaced","order_id":"', stream, '","customer_id":"', customer, '","lines":[{"sku":"product-',
               toString(sku), '","quantity":', toString(quantity), ',"price":', total, '}],"items":', toString(quantity),
               ',"total":', total, ',"at":"', instant, '"}'),
           step = 1, concat('{"type":"OrderPaid","order_id":"', stream, '","amount":', total, ',"at":"', instant, '"}'),
           step = 2, concat('{"type":"OrderShipped","order_id":"', stream, '","carrier":"parcel","at":"', instant, '"}'),
           step = 3, concat('{"type":"OrderDelivered","order_id":"', stream, '","at":"', instant, '"}'),
           concat('{"type":"OrderCancelled","order_id":"', stream, '","reason":"changed my mind","items":', toString(quantity),
               ',"total":', total, ',"pieces":{"product-', toString(sku), '":', toString(quantity), '},"at":"', instant, '"}')
       ) AS data,
       '' AS stored,
       sipHash64(customer) % 4 AS kafka_partition,
       number AS kafka_offset
FROM
(
    SELECT number, intDiv(number, 4) AS grouped,
           grouped % 25 = 0 AS cancelled,
           if(cancelled, (number % 2) * 4, number % 4) AS step,
           concat('order-', leftPad(toString(grouped), 8, '0')) AS order_id,
           concat('customer-', toString(sipHash64(grouped) % 100000)) AS customer,
           sipHash64(grouped, 1) % 1000 AS sku,
           sipHash64(grouped, 2) % 9 + 1 AS quantity,
           concat('{"amount":"', toString(toDecimal64(100 + sipHash64(grouped, 3) % 90000, 2) / 100),
               '","currency":"', if(grouped % 10 < 7, 'USD', 'EUR'), '"}') AS total,
           concat(formatDateTime(toDateTime('2024-01-01', 'UTC') + number * 5, '%Y-%m-%dT%H:%i:%S'), 'Z') AS instant
    FROM numbers(${first} * 4, ${count} * 4)
);
