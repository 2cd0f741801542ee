-- An edition that has this table is whole. Its rows say when it was read.
CREATE TABLE ${database}.edition (used DateTime64(6, 'UTC') DEFAULT now64(6)) ENGINE = MergeTree ORDER BY used
