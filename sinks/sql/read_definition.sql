-- The fingerprint of what a projection's tables were made of at last.
SELECT argMax(fingerprint, at) FROM ${database}.definitions WHERE name = '${projection}' GROUP BY name
