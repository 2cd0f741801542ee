-- Loaded events with all their columns.
SELECT ${columns} FROM ${database}.events WHERE position IN (${positions}) ORDER BY position LIMIT 10000
