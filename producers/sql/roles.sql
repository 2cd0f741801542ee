-- The roles, which all databases of a server share, and that this login may act as them. What is missing is made, as far
-- as the login may; it needs to be the owner's member.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'headrace_owner', 'headrace_appender', 'headrace_relay', 'headrace_keeper', 'headrace_reader', 'headrace_keys'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        IF NOT pg_has_role(session_user, name, 'SET') THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', name, session_user);
            EXCEPTION WHEN insufficient_privilege THEN
                IF name = 'headrace_owner' THEN
                    RAISE;
                END IF;
            END;
        END IF;
    END LOOP;
    IF NOT has_schema_privilege('headrace_owner', 'public', 'CREATE') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO headrace_owner;
    END IF;
END
$$
