-- obscore: values of columns from a Tiled catalog --------------------------

CREATE FUNCTION catreg.obscore_node_key(id integer) RETURNS uuid
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_node_key(integer) IS
    'what an ObsCore table of a Tiled catalog has as registry_dataset_id of a node';

CREATE FUNCTION catreg.obscore_node_id(key uuid) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_node_id(uuid) IS
    'the node of a Tiled catalog whose registry_dataset_id this is, NULL if it is none''s';

CREATE FUNCTION catreg.obscore_json_text(value jsonb, place text, optional boolean) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_json_text(jsonb, text, boolean) IS
    'internal: a value in metadata as a text, NULL where it is none';

CREATE FUNCTION catreg.obscore_json_int(value jsonb, place text, optional boolean) RETURNS bigint
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_json_int(jsonb, text, boolean) IS
    'internal: a value in metadata as an integer, NULL where it is none';

CREATE FUNCTION catreg.obscore_json_float(value jsonb, place text, optional boolean, unit integer) RETURNS float8
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_json_float(jsonb, text, boolean, integer) IS
    'internal: a value in metadata as a number, out of a unit, NULL where it is none';

CREATE FUNCTION catreg.obscore_json_bool(value jsonb, place text, optional boolean) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_json_bool(jsonb, text, boolean) IS
    'internal: a value in metadata as a boolean, NULL where it is none';

CREATE FUNCTION catreg.obscore_url_path(keys text[]) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_url_path(text[]) IS
    'internal: a node''s path as URLs have it';

CREATE FUNCTION catreg.obscore_footprint(s_region text, s_ra float8, s_dec float8, s_fov float8) RETURNS catreg.region
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_footprint(text, float8, float8, float8) IS
    'internal: the region that s_region tells, or else a circle; NULL where there is none';

CREATE FUNCTION catreg.obscore_alter_tiled(obscore regclass, config json) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    d record;
    name name := 'catreg_new_' || obscore::oid;
    statements text[];
    statement text;
    made regclass;
BEGIN
    SELECT o.*, catreg.schema_of_registry(o.registry) AS schema, pg_get_userbyid(c.relowner) AS owner INTO d
    FROM catreg.obscore o JOIN pg_class c ON c.oid = o.obscore WHERE o.obscore = obscore_alter_tiled.obscore;
    PERFORM catreg.obscore_check_alterable(obscore);
    statements := ARRAY(SELECT catreg.obscore_create_statements(config::text, d.schema, name));
    EXECUTE statements[1];
    made := format('%s.%I', d.schema, name)::regclass;
    EXECUTE format('ALTER TABLE %s OWNER TO %I', made, d.owner);
    PERFORM catreg.obscore_carry_over(obscore, made);
    PERFORM catreg.obscore_define(made, d.schema, config, true, NULL);
    -- from here on writers wait
    PERFORM catreg.obscore_lock_sources(made);
    PERFORM catreg.obscore_add_triggers(made);
    PERFORM catreg.obscore_fill(made);
    FOREACH statement IN ARRAY statements[2:] LOOP
        EXECUTE statement;
    END LOOP;
    PERFORM catreg.obscore_carry_indexes(obscore, made, d.config);
    PERFORM catreg.obscore_undefine(obscore);
    PERFORM catreg.obscore_take_place(obscore, made);
END
$$;
COMMENT ON FUNCTION catreg.obscore_alter_tiled(regclass, json) IS
    'internal: alter_obscore() for a table of a Tiled catalog''s nodes, whose writers wait until it is made anew';
