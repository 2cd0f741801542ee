SELECT count() FROM system.detached_parts WHERE concat(database, '.', table) = '${table}';
