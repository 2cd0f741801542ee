-- Events after one position up to another one; the views of the edition make their rollups.
INSERT INTO ${database}.events (${names})
SELECT ${names} FROM ${events}.events WHERE position > ${after} AND position <= ${upto}
