-- How far the fresh tables are, as of the live ones: the later epoch counts.
INSERT INTO ${live}.progress SELECT * FROM ${fresh}.progress WHERE topic = '${topic}'
