-- obscore -----------------------------------------------------------------

CREATE TABLE catreg.obscore (
    obscore regclass PRIMARY KEY,
    registry regnamespace NOT NULL,
    config json NOT NULL,
    own_table boolean NOT NULL,
    client_config text,
    refreshed timestamptz
);
COMMENT ON TABLE catreg.obscore IS 'the ObsCore tables that catreg keeps; written by create_obscore() and drop_obscore() only';
COMMENT ON COLUMN catreg.obscore.own_table IS 'false: the client''s manager has made the table';
COMMENT ON COLUMN catreg.obscore.client_config IS 'the value of config:obscore.json in butler_attributes, which drop_obscore() gives back';
COMMENT ON COLUMN catreg.obscore.refreshed IS 'when the table was last made or compared as a whole';
SELECT pg_catalog.pg_extension_config_dump('catreg.obscore', '');
GRANT SELECT ON catreg.obscore TO PUBLIC;

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catreg.obscore
    FOR EACH STATEMENT EXECUTE FUNCTION catreg.signal_change();

CREATE TABLE catreg.obscore_collection (
    obscore regclass REFERENCES catreg.obscore ON DELETE CASCADE,
    position int,
    collection text NOT NULL,
    PRIMARY KEY (obscore, position)
);
COMMENT ON TABLE catreg.obscore_collection IS 'the search paths that the rows of find-first ObsCore tables follow; written by their triggers only';
COMMENT ON COLUMN catreg.obscore_collection.collection IS 'the collection''s id, or its name where the registry goes by names';
CREATE INDEX ON catreg.obscore_collection (obscore, collection);
SELECT pg_catalog.pg_extension_config_dump('catreg.obscore_collection', '');
GRANT SELECT ON catreg.obscore_collection TO PUBLIC;

CREATE FUNCTION catreg.maintain_obscore() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.maintain_obscore() IS
    'trigger, for each statement: keeps the ObsCore tables of a registry';

CREATE FUNCTION catreg.maintain_obscore_path() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.maintain_obscore_path() IS
    'constraint trigger, deferred: keeps the find-first ObsCore tables of a registry whose chains have changed';

-- Find-first

CREATE FUNCTION catreg.obscore_data_id(dataset_type bigint, VARIADIC "values" "any") RETURNS uuid
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_data_id(bigint, "any") IS
    'internal: a key for a dataset type and a data id';

CREATE FUNCTION catreg.obscore_position(obscore regclass, collection bigint) RETURNS int
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_position(regclass, bigint) IS
    'internal: a collection''s place in the search path of an ObsCore table, NULL if it has none';

CREATE FUNCTION catreg.obscore_position(obscore regclass, collection text) RETURNS int
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_position(regclass, text) IS
    'internal: the same where collections go by their names';

CREATE FUNCTION catreg.obscore_search_path(obscore regclass, OUT collection bigint, OUT "position" int)
    RETURNS SETOF record LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_search_path(regclass) IS
    'internal: the search path of an ObsCore table';

CREATE FUNCTION catreg.obscore_search_path_names(obscore regclass, OUT collection text, OUT "position" int)
    RETURNS SETOF record LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'obscore_search_path';
COMMENT ON FUNCTION catreg.obscore_search_path_names(regclass) IS
    'internal: the same where collections go by their names';

CREATE FUNCTION catreg.obscore_find_first_indexes(obscore regclass) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_find_first_indexes(regclass) IS
    'internal: what makes the indexes that a find-first ObsCore table needs';

-- Values of columns

CREATE FUNCTION catreg.obscore_noted(dataset_id uuid, "column" text, value anyelement) RETURNS anyelement
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_noted(uuid, text, anyelement) IS
    'internal: the value; warns of what was noted while it was made';

CREATE FUNCTION catreg.obscore_failed(problem text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_failed(text) IS
    'internal: NULL, with a problem noted';

CREATE FUNCTION catreg.obscore_region(encoded text) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_region(text) IS
    'internal: the region of a record, NULL where it cannot be read';

CREATE FUNCTION catreg.obscore_region(encoded text, other text) RETURNS catreg.region
    LANGUAGE c IMMUTABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'obscore_region_intersection';
COMMENT ON FUNCTION catreg.obscore_region(text, text) IS
    'internal: the intersection of the regions of two records';

CREATE FUNCTION catreg.obscore_s_ra(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_s_ra(catreg.region) IS
    'internal: the longitude of its centre if the region is a convex polygon, else NULL';

CREATE FUNCTION catreg.obscore_s_dec(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_s_dec(catreg.region) IS
    'internal: the latitude of its centre if the region is a convex polygon, else NULL';

CREATE FUNCTION catreg.obscore_s_fov(region catreg.region) RETURNS float8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_s_fov(catreg.region) IS
    'internal: its field of view if the region is a convex polygon, else NULL';

CREATE FUNCTION catreg.obscore_s_region(region catreg.region) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_s_region(catreg.region) IS
    'internal: its ADQL if the region is a convex polygon, else NULL';

CREATE FUNCTION catreg.obscore_mjd(nanoseconds bigint) RETURNS float8
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_mjd(bigint) IS
    'internal: the MJD in UTC of a time in TAI, NULL where it cannot be told';

CREATE FUNCTION catreg.obscore_fit(value text, length int) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_fit(text, int) IS
    'internal: the text, NULL where it is longer than a column takes';

CREATE FUNCTION catreg.obscore_spectral(filter text, band text, names text[], ends float8[]) RETURNS float8
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_spectral(text, text, text[], float8[]) IS
    'internal: an end of the spectral range of a filter, else of a band';

-- Steps of create_obscore()

CREATE FUNCTION catreg.obscore_create_statements(config text, registry regnamespace, name name) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_create_statements(text, regnamespace, name) IS
    'internal: what makes an ObsCore table, and then its indexes and constraints';

CREATE FUNCTION catreg.obscore_table_name(config text) RETURNS name
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_table_name(text) IS
    'internal: the table that a configuration names';

CREATE FUNCTION catreg.obscore_missing_columns(config text, registry regnamespace, obscore regclass) RETURNS text[]
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_missing_columns(text, regnamespace, regclass) IS
    'internal: the columns of a configuration that a client''s table lacks';

CREATE FUNCTION catreg.obscore_sources(obscore regclass,
        OUT source regclass, OUT inserts boolean, OUT updates boolean, OUT deletes boolean, OUT paths boolean)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_sources(regclass) IS
    'internal: the tables that an ObsCore table is made of, and which events on them matter';

CREATE FUNCTION catreg.obscore_fill(obscore regclass) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_fill(regclass) IS
    'internal: makes the rows of a table that is empty';

CREATE FUNCTION catreg.obscore_define(obscore regclass, registry regnamespace, config json, own_table boolean, client_config text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_define(regclass, regnamespace, json, boolean, text) IS
    'internal: writes a row of catreg.obscore';

CREATE FUNCTION catreg.obscore_undefine(obscore regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_undefine(regclass) IS
    'internal: deletes a row of catreg.obscore';

CREATE FUNCTION catreg.obscore_refreshed(obscore regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_refreshed(regclass) IS
    'internal: notes that a table has been compared as a whole';

CREATE FUNCTION catreg.obscore_add_triggers(obscore regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    s record;
    event record;
    statement text;
BEGIN
    FOR statement IN SELECT * FROM catreg.obscore_find_first_indexes(obscore) LOOP
        EXECUTE statement;
    END LOOP;
    FOR s IN SELECT * FROM catreg.obscore_sources(obscore) ORDER BY source LOOP
        FOR event IN
            SELECT * FROM (VALUES ('insert', s.inserts, 'REFERENCING NEW TABLE AS catreg_new'),
                                  ('update', s.updates, 'REFERENCING OLD TABLE AS catreg_old NEW TABLE AS catreg_new'),
                                  ('delete', s.deletes, 'REFERENCING OLD TABLE AS catreg_old'),
                                  ('truncate', true, '')) e (name, wanted, tables)
            WHERE e.wanted
              AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = s.source AND tgname = 'catreg_obscore_' || e.name)
        LOOP
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_obscore()',
                           'catreg_obscore_' || event.name, event.name, s.source, event.tables);
        END LOOP;
        CONTINUE WHEN NOT s.paths OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = s.source AND tgname = 'catreg_obscore_path');
        EXECUTE format('CREATE CONSTRAINT TRIGGER catreg_obscore_path AFTER INSERT OR UPDATE OR DELETE ON %s '
                       'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION catreg.maintain_obscore_path()', s.source);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_add_triggers(regclass) IS
    'internal: puts the triggers that are missing on the tables of a registry';

CREATE FUNCTION catreg.obscore_remove_triggers(registry regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    -- of what is left: anything at all, anything find-first?
    kept boolean := EXISTS (SELECT FROM catreg.obscore o WHERE o.registry = obscore_remove_triggers.registry);
    find_first boolean := EXISTS (SELECT FROM catreg.obscore o WHERE o.registry = obscore_remove_triggers.registry
                                  AND o.config->>'collection_type' = 'CHAINED');
    t record;
BEGIN
    FOR t IN
        SELECT tgrelid::regclass AS rel, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        WHERE c.relnamespace = registry
          AND (NOT kept AND tgfoid = 'catreg.maintain_obscore'::regproc
               OR NOT find_first AND tgfoid = 'catreg.maintain_obscore_path'::regproc)
        ORDER BY tgrelid
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.rel);
    END LOOP;
    FOR t IN
        SELECT i.oid::regclass AS rel FROM pg_class i
        WHERE NOT find_first AND i.relnamespace = registry AND i.relkind IN ('i', 'I') AND i.relname LIKE 'catreg\_find\_first\_%'
    LOOP
        EXECUTE format('DROP INDEX %s', t.rel);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_remove_triggers(regnamespace) IS
    'internal: takes what no ObsCore table needs any more off the tables of a registry';

CREATE FUNCTION catreg.obscore_create_own(config json, registry regnamespace, name name) RETURNS regclass
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    statements text[] := ARRAY(SELECT catreg.obscore_create_statements(config::text, registry, name));
    obscore regclass;
    statement text;
BEGIN
    EXECUTE statements[1];
    obscore := format('%s.%I', registry, name)::regclass;
    PERFORM catreg.obscore_define(obscore, registry, config, true, NULL);
    -- from here on nobody writes the tables that rows are made of, until this is committed
    PERFORM catreg.obscore_add_triggers(obscore);
    PERFORM catreg.obscore_fill(obscore);
    FOREACH statement IN ARRAY statements[2:] LOOP
        EXECUTE statement;
    END LOOP;
    RETURN obscore;
END
$$;
COMMENT ON FUNCTION catreg.obscore_create_own(json, regnamespace, name) IS
    'internal: create_obscore() with a table of its own';

CREATE FUNCTION catreg.obscore_take_over(registry regnamespace) RETURNS regclass
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    client_config text;
    name name;
    obscore regclass;
    missing text[];
BEGIN
    IF to_regclass(format('%s.butler_attributes', registry)) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('schema %s holds no Butler registry', registry),
            DETAIL = 'It has no table "butler_attributes".',
            HINT = 'The argument "registry" is the schema of the registry''s tables.';
    END IF;
    EXECUTE format('DELETE FROM %s.butler_attributes WHERE name = %L RETURNING value', registry, 'config:obscore.json')
        INTO client_config;
    IF client_config IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the registry in schema %s has no ObsCore configuration', registry),
            DETAIL = 'butler_attributes has no row "config:obscore.json".',
            HINT = 'Give catreg.create_obscore() a configuration.';
    END IF;
    name := catreg.obscore_table_name(client_config);
    obscore := to_regclass(format('%s.%I', registry, name));
    IF obscore IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('the client''s ObsCore table %s.%I does not exist', registry, name);
    END IF;
    missing := catreg.obscore_missing_columns(client_config, registry, obscore);
    IF missing <> '{}' THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column',
            MESSAGE = format('table %s lacks columns of its configuration: %s', obscore, array_to_string(missing, ', '));
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN region catreg.region', obscore);
    PERFORM catreg.obscore_define(obscore, registry, client_config::json, false, client_config);
    PERFORM catreg.obscore_add_triggers(obscore);
    PERFORM catreg.refresh_obscore(obscore);
    EXECUTE format('CREATE INDEX ON %s USING gist (region)', obscore);
    RETURN obscore;
END
$$;
COMMENT ON FUNCTION catreg.obscore_take_over(regnamespace) IS
    'internal: create_obscore() with the client''s table';

CREATE FUNCTION catreg.create_obscore(config json DEFAULT NULL, registry regnamespace DEFAULT 'public'::text::regnamespace, name text DEFAULT NULL) RETURNS regclass
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    IF registry IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'registry must not be NULL';
    END IF;
    IF config IS NOT NULL THEN
        RETURN catreg.obscore_create_own(config, registry, COALESCE(name, catreg.obscore_table_name(config::text)::text)::name);
    END IF;
    IF name IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a name, "%s", is for a table with a configuration', name),
            HINT = 'Without a configuration the client''s own table is taken over.';
    END IF;
    RETURN catreg.obscore_take_over(registry);
END
$$;
COMMENT ON FUNCTION catreg.create_obscore(json, regnamespace, text) IS
    'makes an ObsCore table of a Butler registry and keeps it from then on; without a configuration it takes over the client''s own';

CREATE FUNCTION catreg.drop_obscore(obscore regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM catreg.obscore o WHERE o.obscore = drop_obscore.obscore;
    PERFORM catreg.obscore_undefine(obscore);
    PERFORM catreg.obscore_remove_triggers(d.registry);
    IF d.own_table THEN
        EXECUTE format('DROP TABLE %s', obscore);
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %s DROP COLUMN region', obscore);
    EXECUTE format('INSERT INTO %s.butler_attributes (name, value) VALUES (%L, %L)', d.registry, 'config:obscore.json', d.client_config);
END
$$;
COMMENT ON FUNCTION catreg.drop_obscore(regclass) IS
    'drops an ObsCore table, or gives the client''s own back to its managers';

CREATE FUNCTION catreg.refresh_obscore(obscore regclass, OUT inserted bigint, OUT updated bigint, OUT deleted bigint)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.refresh_obscore(regclass) IS
    'brings an ObsCore table up to date; touches only rows that differ';

CREATE FUNCTION catreg.check_obscore(obscore regclass, OUT dataset_id uuid, OUT problem text)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.check_obscore(regclass) IS
    'the rows that are not as they should be, and the values that cannot be derived; no row means right';

CREATE FUNCTION catreg.obscore_query(obscore regclass) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_query(regclass) IS
    'the SELECT that defines an ObsCore table';

CREATE FUNCTION catreg.obscore_follow_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    dropped regnamespace;
BEGIN
    FOR dropped IN
        DELETE FROM catreg.obscore d USING pg_event_trigger_dropped_objects() o
        WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND o.objid = d.obscore
        RETURNING d.registry
    LOOP
        PERFORM catreg.obscore_remove_triggers(dropped);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_follow_drop() IS
    'event trigger: lets go of an ObsCore table that is dropped';

CREATE EVENT TRIGGER catreg_obscore_drop ON sql_drop
    EXECUTE FUNCTION catreg.obscore_follow_drop();
-- under session_replication_role = replica too
ALTER EVENT TRIGGER catreg_obscore_drop ENABLE ALWAYS;
