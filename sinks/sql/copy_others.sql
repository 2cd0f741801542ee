-- Other topics' records in quarantine.
INSERT INTO ${table} SELECT * FROM ${source} WHERE topic != '${topic}' SETTINGS insert_deduplicate = 0
