-- A table that the live database does not have.
RENAME TABLE ${fresh} TO ${live}
