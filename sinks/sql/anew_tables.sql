-- Tables that were loaded anew and are not in their place yet.
SELECT name FROM system.tables WHERE database = '${database}' AND comment = 'loaded anew'
