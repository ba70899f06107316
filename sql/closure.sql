
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
    'trigger, for each row, on replicas: notes a changed node';

CREATE FUNCTION catreg.flush_closure() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.flush_closure() IS
    'constraint trigger, deferred, on replicas: keeps the closure of the noted nodes';

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
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER catreg_closure_truncate', rel);
    END LOOP;

    -- row triggers of a partitioned table stand on all its partitions by themselves
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = tree AND tgname = 'catreg_closure_collect') THEN
        EXECUTE format('CREATE TRIGGER catreg_closure_collect AFTER INSERT OR UPDATE OR DELETE ON %s '
                       'FOR EACH ROW EXECUTE FUNCTION catreg.collect_closure()', tree);
        EXECUTE format('CREATE CONSTRAINT TRIGGER catreg_closure_flush AFTER INSERT OR UPDATE OR DELETE ON %s '
                       'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION catreg.flush_closure()', tree);
    END IF;
    FOR rel IN SELECT catreg.closure_relations(tree) LOOP
        EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER catreg_closure_collect', rel);
        EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER catreg_closure_flush', rel);
    END LOOP;
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
          AND tgfoid IN ('catreg.maintain_closure'::regproc, 'catreg.collect_closure'::regproc, 'catreg.flush_closure'::regproc)
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

CREATE FUNCTION catreg.create_closure(tree regclass, closure regclass, id name DEFAULT 'id', parent name DEFAULT 'parent',
        ancestor name DEFAULT 'ancestor', descendant name DEFAULT 'descendant', depth name DEFAULT 'depth') RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM catreg.closure_define(tree, closure, id, parent, ancestor, descendant, depth);
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tree);
    PERFORM catreg.closure_add_triggers(tree);
    PERFORM catreg.rebuild_closure(tree);
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
