-- Lets the loaders of a database pause, until the table is dropped.
CREATE TABLE IF NOT EXISTS ${database}.paused (reason String) ENGINE = Null COMMENT 'headrace reload exchanges the tables'
