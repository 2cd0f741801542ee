-- Says that the fresh tables have all and are right: from here on they are put in the place of the live ones.
CREATE TABLE IF NOT EXISTS ${database}.proven (reason String) ENGINE = Null
