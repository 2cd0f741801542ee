-- Loaded events beyond a position.
SELECT position, id, stream FROM ${database}.events WHERE position > ${after} ORDER BY position LIMIT ${limit}
