-- Marks a table that is loaded anew, until it is in its place.
ALTER TABLE ${table} MODIFY COMMENT '${comment}'
