-- An edition is read now.
INSERT INTO ${database}.edition (used) SELECT now64(6)
