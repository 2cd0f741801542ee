-- Digests of the loaded rows of an aggregate in one partition, by groups of keys.
SELECT CRC32(key) % ${groups}, count(), sum(digest)
FROM (${items})
GROUP BY 1
