-- Wakes the thread that removes old parts, which sleeps for half a minute or longer over a quiet table.
SYSTEM START CLEANUP ${table};
