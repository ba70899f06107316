
-- closure -----------------------------------------------------------------

CREATE TABLE catreg.closure (
    tree regclass PRIMARY KEY,
    closure regclass NOT NULL UNIQUE,
    id name NOT NULL,
    parent name NOT NULL,
    ancestor name NOT NULL,
    descendant name NOT NULL,
    depth name NOT NULL,
    refreshed timestamptz
);
COMMENT ON TABLE catreg.closure IS 'the trees that have a closure table kept by catreg; written by create_closure() and drop_closure() only';
COMMENT ON COLUMN catreg.closure.refreshed IS 'when rebuild_closure() last compared the whole table';
SELECT pg_catalog.pg_extension_config_dump('catreg.closure', '');
GRANT SELECT ON catreg.closure TO PUBLIC;

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catreg.closure
    FOR EACH STATEMENT EXECUTE FUNCTION catreg.signal_change();

CREATE FUNCTION catreg.maintain_closure() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.maintain_closure() IS
    'trigger, for each statement: keeps the closure table of a tree';

CREATE FUNCTION catreg.collect_closure() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.collect_closure() IS
    'trigger, for each row, on replicas: notes a changed node, for the end of the transaction';

CREATE FUNCTION catreg.closure_define(tree regclass, closure regclass, id name, parent name,
        ancestor name, descendant name, depth name) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.closure_define(regclass, regclass, name, name, name, name, name) IS
    'internal: the first step of create_closure()';

CREATE FUNCTION catreg.closure_undefine(tree regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.closure_undefine(regclass) IS
    'internal: the last step of drop_closure()';

CREATE FUNCTION catreg.check_closure(tree regclass,
        OUT ancestor bigint, OUT descendant bigint, OUT depth int, OUT expected int)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.check_closure(regclass) IS
    'the rows of a closure table that are wrong (expected is NULL), missing (depth is NULL) or of a wrong depth; no row means right';

-- The relations on which the statement triggers of a tree stand: a statement
-- fires those of the relation that it names, be it a partition.
CREATE FUNCTION catreg.closure_relations(tree regclass) RETURNS SETOF regclass
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT tree UNION SELECT relid FROM pg_partition_tree(tree);
END;
COMMENT ON FUNCTION catreg.closure_relations(regclass) IS
    'internal: a tree and its partitions';

-- On replicas the row triggers fire in place of the statement triggers, which
-- no TRUNCATE does without.
CREATE FUNCTION catreg.closure_enable_triggers(tree regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT tgrelid::regclass AS rel, tgname, w.wanted
        FROM pg_trigger, (VALUES ('catreg_closure_truncate', 'catreg.maintain_closure'::regproc, 'A', 'ALWAYS'),
                                 ('catreg_closure_collect', 'catreg.collect_closure', 'R', 'REPLICA')) w (name, function, enabled, wanted)
        WHERE tgrelid IN (SELECT catreg.closure_relations(tree))
          AND tgname = w.name AND tgfoid = w.function AND tgenabled <> w.enabled::"char"
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.rel, t.wanted, t.tgname);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.closure_enable_triggers(regclass) IS
    'internal: has the triggers of a tree fire when they should';

CREATE FUNCTION catreg.closure_add_triggers(tree regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN
        SELECT r FROM catreg.closure_relations(tree) r
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = r AND tgname = 'catreg_closure_insert')
    LOOP
        EXECUTE format('CREATE TRIGGER catreg_closure_insert AFTER INSERT ON %s '
                       'REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_closure()', rel);
        EXECUTE format('CREATE TRIGGER catreg_closure_update AFTER UPDATE ON %s '
                       'REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_closure()', rel);
        EXECUTE format('CREATE TRIGGER catreg_closure_delete AFTER DELETE ON %s '
                       'REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_closure()', rel);
        EXECUTE format('CREATE TRIGGER catreg_closure_truncate AFTER TRUNCATE ON %s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_closure()', rel);
    END LOOP;

    -- row triggers of a partitioned table stand on all its partitions by themselves
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = tree AND tgname = 'catreg_closure_collect') THEN
        EXECUTE format('CREATE TRIGGER catreg_closure_collect AFTER INSERT OR UPDATE OR DELETE ON %s '
                       'FOR EACH ROW EXECUTE FUNCTION catreg.collect_closure()', tree);
    END IF;
    PERFORM catreg.closure_enable_triggers(tree);
END
$$;
COMMENT ON FUNCTION catreg.closure_add_triggers(regclass) IS
    'internal: puts the triggers that are missing on a tree and its partitions';

CREATE FUNCTION catreg.closure_remove_triggers(tree regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT tgrelid::regclass AS rel, tgname FROM pg_trigger
        WHERE tgrelid IN (SELECT catreg.closure_relations(tree)) AND tgparentid = 0
          AND tgfoid IN ('catreg.maintain_closure'::regproc, 'catreg.collect_closure'::regproc)
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.rel);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.closure_remove_triggers(regclass) IS
    'internal: takes the triggers off a tree and its partitions';

CREATE FUNCTION catreg.rebuild_closure(tree regclass) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.rebuild_closure(regclass) IS
    'mends the closure table of a tree, and returns the number of rows mended; readers are not stopped, writers only while wrong rows are replaced';

CREATE FUNCTION catreg.closure_take_over(tree regclass) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.closure_take_over(regclass) IS
    'internal: makes a closure table right, and locks its tree against writers';

CREATE FUNCTION catreg.create_closure(tree regclass, closure regclass, id name DEFAULT 'id', parent name DEFAULT 'parent',
        ancestor name DEFAULT 'ancestor', descendant name DEFAULT 'descendant', depth name DEFAULT 'depth') RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM catreg.closure_define(tree, closure, id, parent, ancestor, descendant, depth);
    PERFORM catreg.closure_take_over(tree);
    PERFORM catreg.closure_add_triggers(tree);
END
$$;
COMMENT ON FUNCTION catreg.create_closure(regclass, regclass, name, name, name, name, name) IS
    'from now on keeps a closure table of a tree, and makes it right first';

CREATE FUNCTION catreg.drop_closure(tree regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM catreg.closure_undefine(tree);
    PERFORM catreg.closure_remove_triggers(tree);
END
$$;
COMMENT ON FUNCTION catreg.drop_closure(regclass) IS
    'leaves a closure table to itself: the triggers go, the rows stay';

-- What happens to the tables ----------------------------------------------

CREATE FUNCTION catreg.closure_command(command pg_ddl_command, OUT kind text, OUT old_name name)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.closure_command(pg_ddl_command) IS
    'internal: what a command that changes tables means to a closure';

-- Neither a partition's nor a child's rows may pass the triggers by.  pg_restore
-- makes partitions before it loads catreg.closure, and the triggers afterwards
-- by itself: commands other than those handled here must not add any.
CREATE FUNCTION catreg.closure_follow_command() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    c record;
    rel regclass;
    new_name name;
BEGIN
    FOR c IN
        SELECT d.objid::regclass AS rel, d.objsubid, d.command_tag, m.kind, m.old_name
        FROM pg_event_trigger_ddl_commands() d, catreg.closure_command(d.command) m
        WHERE d.classid = 'pg_class'::regclass AND m.kind IS NOT NULL
    LOOP
        IF c.kind = 'rename' THEN
            SELECT attname INTO new_name FROM pg_attribute WHERE attrelid = c.rel AND attnum = c.objsubid;
            UPDATE catreg.closure d
            SET id = CASE d.id WHEN c.old_name THEN new_name ELSE d.id END,
                parent = CASE d.parent WHEN c.old_name THEN new_name ELSE d.parent END
            WHERE d.tree = c.rel AND c.old_name IN (d.id, d.parent);
            UPDATE catreg.closure d
            SET ancestor = CASE d.ancestor WHEN c.old_name THEN new_name ELSE d.ancestor END,
                descendant = CASE d.descendant WHEN c.old_name THEN new_name ELSE d.descendant END,
                depth = CASE d.depth WHEN c.old_name THEN new_name ELSE d.depth END
            WHERE d.closure = c.rel AND c.old_name IN (d.ancestor, d.descendant, d.depth);
            CONTINUE;
        END IF;

        IF c.kind = 'enable' THEN
            PERFORM catreg.closure_enable_triggers(d.tree)
            FROM catreg.closure d WHERE d.tree IN (c.rel, pg_partition_root(c.rel));
            CONTINUE;
        END IF;

        SELECT i.inhrelid INTO rel
        FROM catreg.closure d JOIN pg_inherits i ON i.inhrelid IN (d.tree, d.closure) OR i.inhparent IN (d.tree, d.closure)
        JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.relkind = 'r' OR i.inhrelid IN (d.tree, d.closure) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
                MESSAGE = format('"%s" would take part in inheritance', rel),
                DETAIL = 'Statement triggers on a tree or a closure do not see rows that go to a child table.';
        END IF;
        CONTINUE WHEN c.kind <> 'partition';

        FOR rel IN SELECT d.tree FROM catreg.closure d WHERE d.tree = pg_partition_root(c.rel) LOOP
            PERFORM catreg.closure_add_triggers(rel);
            IF c.command_tag = 'ALTER TABLE' THEN
                PERFORM catreg.rebuild_closure(rel);
            END IF;
        END LOOP;
        FOR rel IN
            SELECT tgrelid FROM pg_trigger
            WHERE tgfoid = 'catreg.maintain_closure'::regproc AND tgname = 'catreg_closure_insert'
              AND NOT EXISTS (SELECT FROM catreg.closure d WHERE d.tree IN (tgrelid, pg_partition_root(tgrelid)))
        LOOP
            PERFORM catreg.closure_remove_triggers(rel);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.closure_follow_command() IS
    'event trigger: follows renamed columns, and partitions that come and go';

CREATE FUNCTION catreg.closure_follow_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN
        DELETE FROM catreg.closure d USING pg_event_trigger_dropped_objects() o
        WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND o.objid IN (d.tree, d.closure)
        RETURNING d.tree
    LOOP
        IF EXISTS (SELECT FROM pg_class WHERE oid = rel) THEN
            PERFORM catreg.closure_remove_triggers(rel);
        END IF;
    END LOOP;

    -- a partition, known by the triggers that went with it, has taken its nodes along
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects()
               WHERE classid = 'pg_trigger'::regclass AND NOT original AND address_names[3] = 'catreg_closure_delete') THEN
        PERFORM catreg.rebuild_closure(d.tree)
        FROM catreg.closure d JOIN pg_partitioned_table p ON p.partrelid = d.tree;
    END IF;
END
$$;
COMMENT ON FUNCTION catreg.closure_follow_drop() IS
    'event trigger: lets go of a closure when its table, or its tree, is dropped';

CREATE EVENT TRIGGER catreg_closure_command ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE')
    EXECUTE FUNCTION catreg.closure_follow_command();
CREATE EVENT TRIGGER catreg_closure_drop ON sql_drop
    EXECUTE FUNCTION catreg.closure_follow_drop();
-- under session_replication_role = replica too
ALTER EVENT TRIGGER catreg_closure_command ENABLE ALWAYS;
ALTER EVENT TRIGGER catreg_closure_drop ENABLE ALWAYS;
