-- The database of an edition of the past; who makes it is the only one who knows its name.
CREATE DATABASE ${database}
