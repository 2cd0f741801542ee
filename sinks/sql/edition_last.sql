-- When an edition was read last.
SELECT max(used) FROM ${database}.edition
