-- Files and directory of each new part are synced before an insert is answered.
ALTER TABLE ${table} MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1
