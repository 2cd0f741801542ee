-- How many events were stored in an older shape than today's.
SELECT count() FROM ${database}.events WHERE stored != ''
