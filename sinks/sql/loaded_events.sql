-- Events of a table and how many of them differ, the last position, and how many records of the topic are no events.
SELECT count(), uniqExact(position), max(position), (SELECT count() FROM ${database}.quarantine WHERE topic = '${topic}')
FROM ${database}.events
