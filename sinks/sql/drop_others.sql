-- What an interrupted copy of other topics' records has left in a quarantine that nobody loads into.
DELETE FROM ${table} WHERE topic != '${topic}' SETTINGS lightweight_deletes_sync = 2
