-- Loaded events one by one: names and digests.
SELECT position, id, stream,
       reinterpretAsUInt64(reverse(left(SHA256(concat(
           toString(position), '\x1f', id, '\x1f', stream, '\x1f', toString(version), '\x1f', partition_key, '\x1f',
           toString(toUnixTimestamp64Micro(time) - 946684800000000), '\x1f', correlation_id, '\x1f', causation_id, '\x1f',
           hash, '\x1f', if(stored = '', data, stored))), 8))) AS content,
       reinterpretAsUInt64(reverse(left(SHA256(concat(
           type, '\x1f', toString(toUnixTimestamp64Micro(event_time)), '\x1f', toString(length(stored)), '\x1f', data)), 8))) AS derived,
       kafka_partition, kafka_offset
FROM ${database}.events
WHERE position > ${after} AND position <= ${upto}
