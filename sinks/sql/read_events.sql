-- Events by a condition, in an order.
SELECT position, id, type, stream, version, event_time, time, hash, data
FROM events
WHERE ${condition}
ORDER BY ${order}
LIMIT ${limit}
