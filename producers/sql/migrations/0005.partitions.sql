-- How many positions a partition of `events` holds. Partitions that exist keep their size when this is changed.
CREATE FUNCTION partition_size() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN 4194304;

-- What is stored is never changed or removed, not even by the owner's slip.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: events are never changed or removed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Partitions get the row trigger from their parent, and the other one from `extend`.
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Makes partitions of `events` for so many more positions than the domain has, and for a quarter of a partition beyond
-- them; makes the domain's head row when there is none. Who calls it for a domain that has a head row holds its lock.
-- A transaction that is killed leaves nothing, and the next one that comes near the end makes them.
--
-- A table that is made alone and then attached needs a lock on its parent that no read and no append conflicts with;
-- making it as a partition would wait for all of them. The lock conflicts with ANALYZE and with other changes of the
-- parent, so it is not waited for while there is room. Names have numbers in them: a domain's may be too long.
CREATE FUNCTION extend(in_domain text, amount int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    size CONSTANT bigint := partition_size();
    h heads;
    parent text;
    leaf text;
BEGIN
    SELECT * INTO h FROM heads WHERE domain = in_domain ORDER BY position DESC LIMIT 1;
    IF NOT FOUND THEN
        LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE;
        IF EXISTS (SELECT FROM heads WHERE domain = in_domain) THEN
            RETURN;  -- another session was faster
        END IF;
        INSERT INTO heads (domain) VALUES (in_domain) RETURNING * INTO h;
        parent := format('events_%s', h.number);
        PERFORM make_part('events', parent, format('IN (%L)', in_domain), 'PARTITION BY RANGE (position)');
    END IF;

    parent := format('events_%s', h.number);
    BEGIN
        EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE NOWAIT', parent);
    EXCEPTION WHEN lock_not_available THEN
        IF h.position + amount <= h.room THEN
            RETURN;
        END IF;
        EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    END;
    WHILE h.room < h.position + amount + size / 4 LOOP
        PERFORM make_part(parent, format('%s_%s', parent, h.room + 1),
                          format('FROM (%s) TO (%s)', h.room + 1, h.room + size + 1), '');
        h.room := h.room + size;
    END LOOP;
    UPDATE heads SET room = h.room WHERE domain = in_domain AND position = h.position;
END
$$;

-- Makes the table `part` and attaches it to `parent` for the values of `bound`; `rest` ends the statement that makes it.
CREATE FUNCTION make_part(parent text, part text, bound text, rest text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) %s', part, rest);
    EXECUTE format('CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES %s', parent, part, bound);
END
$$;
