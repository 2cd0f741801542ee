SELECT count() FROM system.parts WHERE concat(database, '.', table) = '${table}' AND NOT active;
