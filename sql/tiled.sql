
-- tiled -------------------------------------------------------------------

-- The default schema is named by a text: a constant of type regnamespace would
-- make the extension depend on schema public, and go with it.

CREATE FUNCTION catreg.structure_id(structure json) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.structure_id(json) IS
    'the id that Tiled gives a structure: the MD5 digest of its canonical JSON text';

CREATE FUNCTION catreg.tiled_check_layout(catalog regnamespace) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.tiled_check_layout(regnamespace) IS
    'internal: what the Tiled catalog in a schema keeps access rights in, access_tags or access_blob; an error where there is no catalog of a known layout';

CREATE TABLE catreg.tiled_batch (
    parent text,
    key text,
    structure_family text,
    metadata jsonb,
    specs jsonb,
    access_tags jsonb,
    access_blob jsonb,
    data_sources json
);
COMMENT ON TABLE catreg.tiled_batch IS 'always empty: the form of a batch for register_nodes(), to be copied by CREATE TEMP TABLE batch (LIKE catreg.tiled_batch INCLUDING DEFAULTS)';
COMMENT ON COLUMN catreg.tiled_batch.parent IS 'path of the container: keys joined by /; empty for the root';
COMMENT ON COLUMN catreg.tiled_batch.key IS 'key of the node in its container, 1 to 1023 characters, without /';
COMMENT ON COLUMN catreg.tiled_batch.structure_family IS 'one of the catalog''s structure families, such as container, array, table';
COMMENT ON COLUMN catreg.tiled_batch.metadata IS 'an object; NULL: {}';
COMMENT ON COLUMN catreg.tiled_batch.specs IS 'an array of {"name": ..., "version": ...}; NULL: []';
COMMENT ON COLUMN catreg.tiled_batch.access_tags IS 'an array of tags'' names, in catalogs that have access tags';
COMMENT ON COLUMN catreg.tiled_batch.access_blob IS 'an object, in catalogs that have access blobs';
COMMENT ON COLUMN catreg.tiled_batch.data_sources IS 'an array of data sources, as in a request to register a node with Tiled''s server; json, since a structure''s id depends on the text of its numbers';
GRANT SELECT ON catreg.tiled_batch TO PUBLIC;

CREATE FUNCTION catreg.register_nodes(batch regclass, catalog regnamespace DEFAULT 'public'::text::regnamespace, on_conflict text DEFAULT 'error',
        OUT path text, OUT id bigint, OUT status text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.register_nodes(regclass, regnamespace, text) IS
    'registers the nodes of a batch with their data sources and assets; a row for each: inserted, existing or replaced';

CREATE FUNCTION catreg.attach_tiled(catalog regnamespace DEFAULT 'public'::text::regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    nodes regclass;
    mended bigint;
BEGIN
    PERFORM catreg.tiled_check_layout(catalog);
    nodes := to_regclass(format('%s.nodes', catalog));
    PERFORM catreg.closure_define(nodes, to_regclass(format('%s.nodes_closure', catalog)),
                                  'id', 'parent', 'ancestor', 'descendant', 'depth');
    mended := catreg.closure_take_over(nodes);
    PERFORM catreg.tiled_enable_closure_trigger(nodes, false);
    PERFORM catreg.closure_add_triggers(nodes);
    IF mended > 0 THEN
        RAISE NOTICE 'the closure of % was wrong: % rows mended', nodes, mended;
    END IF;
END
$$;
COMMENT ON FUNCTION catreg.attach_tiled(regnamespace) IS
    'keeps the closure of a Tiled catalog by catreg from now on, in place of Tiled''s row trigger; Tiled servers may go on';

CREATE FUNCTION catreg.detach_tiled(catalog regnamespace DEFAULT 'public'::text::regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    nodes regclass;
BEGIN
    PERFORM catreg.tiled_check_layout(catalog);
    nodes := to_regclass(format('%s.nodes', catalog));
    -- what dropping triggers needs, and at once: who has read and is about to write would wait for us, and we for him
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', nodes);
    PERFORM catreg.drop_closure(nodes);
    PERFORM catreg.tiled_enable_closure_trigger(nodes, true);
END
$$;
COMMENT ON FUNCTION catreg.detach_tiled(regnamespace) IS
    'gives the closure of a Tiled catalog back to Tiled''s row trigger';

CREATE FUNCTION catreg.tiled_enable_closure_trigger(nodes regclass, enable boolean) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                   WHERE tgrelid = nodes AND tgname = 'update_closure_table_when_inserting') THEN
        -- a mirror has none: the remote's is not copied
        IF EXISTS (SELECT FROM catreg.mirror m WHERE m.relation = nodes) THEN
            RETURN;
        END IF;
        RAISE EXCEPTION 'table "%" has no trigger "update_closure_table_when_inserting"', nodes
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'It is Tiled''s own, which keeps the closure where catreg does not.';
    END IF;
    EXECUTE format('ALTER TABLE %s %s TRIGGER update_closure_table_when_inserting',
                   nodes, CASE WHEN enable THEN 'ENABLE' ELSE 'DISABLE' END);
END
$$;
COMMENT ON FUNCTION catreg.tiled_enable_closure_trigger(regclass, boolean) IS
    'internal: switches Tiled''s own closure trigger, which a mirror has not';

CREATE FUNCTION catreg.delete_nodes(paths text[], catalog regnamespace DEFAULT 'public'::text::regnamespace,
        OUT path text, OUT nodes bigint, OUT assets bigint, OUT structures bigint)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.delete_nodes(text[], regnamespace) IS
    'deletes nodes and all below them, with the assets and structures that nothing uses any more; a row for each path: how many went';
