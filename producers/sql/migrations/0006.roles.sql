-- What each role may do; `producers/sql/roles.sql` makes them. All tables belong to headrace_owner, whom only the
-- migrations act as. A later migration grants what its own tables need.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO headrace_reader;
GRANT SELECT ON heads, streams, events, commands, claims, counters, event_log TO headrace_reader;

-- Appends, and reads what an append depends on. A stream's partition key is never changed.
GRANT SELECT ON heads, streams, events, commands, claims, counters TO headrace_appender;
GRANT UPDATE (position, time, latest, watermark, digest) ON heads TO headrace_appender;
GRANT INSERT, UPDATE (version, position, hash) ON streams TO headrace_appender;
GRANT INSERT ON events, commands TO headrace_appender;
GRANT INSERT, DELETE ON claims TO headrace_appender;
GRANT INSERT, UPDATE (value) ON counters TO headrace_appender;
REVOKE EXECUTE ON FUNCTION extend, make_part FROM PUBLIC;
GRANT EXECUTE ON FUNCTION extend TO headrace_appender;

GRANT SELECT ON events TO headrace_relay;
