-- How many rows a rollup has.
SELECT count() FROM ${table} FINAL
