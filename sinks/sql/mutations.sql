-- Mutations of a table that are not done, and why the last attempt failed, if it did.
SELECT count(), max(latest_fail_reason) FROM system.mutations
WHERE concat(database, '.', table) = '${table}' AND NOT is_done;
