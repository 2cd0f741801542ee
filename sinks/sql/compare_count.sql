-- How many rows a table has, those not merged yet too.
SELECT count() FROM ${table}
