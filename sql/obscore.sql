-- obscore -----------------------------------------------------------------

CREATE TABLE catreg.obscore (
    obscore regclass PRIMARY KEY,
    registry regclass NOT NULL,
    config json NOT NULL,
    own_table boolean NOT NULL,
    client_config text,
    refreshed timestamptz
);
COMMENT ON TABLE catreg.obscore IS 'the ObsCore tables that catreg keeps; written by create_obscore() and drop_obscore() only';
COMMENT ON COLUMN catreg.obscore.registry IS 'a table of the registry, see table_of_registry()';
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

CREATE UNLOGGED TABLE catreg.obscore_journal (
    obscore oid NOT NULL,
    relation oid NOT NULL,
    change smallint,
    changed jsonb
);
COMMENT ON TABLE catreg.obscore_journal IS 'what has been changed in a registry while alter_obscore() makes a table anew; empty otherwise';

CREATE FUNCTION catreg.maintain_obscore() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.maintain_obscore() IS
    'trigger, for each statement: keeps the ObsCore tables of a registry';

CREATE FUNCTION catreg.collect_obscore() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.collect_obscore() IS
    'trigger, for each row that logical replication writes: has the ObsCore tables of a registry kept when the transaction commits';

CREATE FUNCTION catreg.maintain_obscore_path() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.maintain_obscore_path() IS
    'constraint trigger, deferred: keeps the find-first ObsCore tables of a registry whose chains have changed';

-- Find-first

CREATE FUNCTION catreg.obscore_data_id(dataset_type bigint, VARIADIC "values" "any") RETURNS uuid
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_data_id(bigint, "any") IS
    'internal: a key for a dataset type and a data id';

-- Looks into the search path with a snapshot of its own, of which there are none in parallel queries.
CREATE FUNCTION catreg.obscore_position(obscore regclass, collection bigint) RETURNS int
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_position(regclass, bigint) IS
    'internal: a collection''s place in the search path of an ObsCore table, NULL if it has none';

CREATE FUNCTION catreg.obscore_position(obscore regclass, collection text) RETURNS int
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME';
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

-- Values of columns. What a function notes is reported by obscore_noted() around it, so in the same parallel worker.
-- pgsphere's are called in subtransactions, of which there are none in parallel queries.

CREATE FUNCTION catreg.obscore_noted(dataset_id uuid, "column" text, value anyelement) RETURNS anyelement
    LANGUAGE c PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_noted(uuid, text, anyelement) IS
    'internal: the value; warns of what was noted while it was made';

CREATE FUNCTION catreg.obscore_failed(problem text) RETURNS text
    LANGUAGE c STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_failed(text) IS
    'internal: NULL, with a problem noted';

CREATE FUNCTION catreg.obscore_region(encoded text) RETURNS catreg.region
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_region(text) IS
    'internal: the region of a record, NULL where it cannot be read';

CREATE FUNCTION catreg.obscore_region(VARIADIC encoded text[]) RETURNS catreg.region
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'obscore_region_intersection';
COMMENT ON FUNCTION catreg.obscore_region(text[]) IS
    'internal: the intersection of the regions of several records';

CREATE FUNCTION catreg.obscore_pixel(class text, level int, id bigint) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_pixel(text, int, bigint) IS
    'internal: the region of a pixel, in base64, NULL where it cannot be made';

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
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_mjd(bigint) IS
    'internal: the MJD in UTC of a time in TAI, NULL where it cannot be told';

CREATE FUNCTION catreg.obscore_fit(value text, length int) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_fit(text, int) IS
    'internal: the text, NULL where it is longer than a column takes';

CREATE FUNCTION catreg.obscore_fit(value bigint, bytes int) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'obscore_fit_integer';
COMMENT ON FUNCTION catreg.obscore_fit(bigint, int) IS
    'internal: the integer, NULL where a column of so many bytes does not hold it';

CREATE FUNCTION catreg.obscore_spectral(filter text, band text, names text[], ends float8[]) RETURNS float8
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_spectral(text, text, text[], float8[]) IS
    'internal: an end of the spectral range of a filter, else of a band';

CREATE FUNCTION catreg.obscore_pgsphere_region(region catreg.region, type anyelement) RETURNS anyelement
    LANGUAGE c STABLE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_pgsphere_region(catreg.region, anyelement) IS
    'internal: the region as pgsphere''s polygon if it is a convex one that pgsphere accepts, else NULL';

CREATE FUNCTION catreg.obscore_pgsphere_position(region catreg.region, type anyelement) RETURNS anyelement
    LANGUAGE c STABLE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_pgsphere_position(catreg.region, anyelement) IS
    'internal: its centre as pgsphere''s point if the region is a convex polygon, else NULL';

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
    'internal: the columns of a configuration, with their types, that a client''s table lacks';

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

-- no NOTICE of indexes that are there
CREATE FUNCTION catreg.obscore_add_triggers(obscore regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS
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
            -- a replica has no rows of it to collect
            IF event.name = 'truncate' THEN
                EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER catreg_obscore_truncate', s.source);
            END IF;
        END LOOP;
        IF (s.inserts OR s.updates OR s.deletes)
            AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = s.source AND tgname = 'catreg_obscore_replica') THEN
            EXECUTE format('CREATE TRIGGER catreg_obscore_replica AFTER INSERT OR UPDATE OR DELETE ON %s '
                           'FOR EACH ROW EXECUTE FUNCTION catreg.collect_obscore()', s.source);
            EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER catreg_obscore_replica', s.source);
        END IF;
        CONTINUE WHEN NOT s.paths OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = s.source AND tgname = 'catreg_obscore_path');
        EXECUTE format('CREATE CONSTRAINT TRIGGER catreg_obscore_path AFTER INSERT OR UPDATE OR DELETE ON %s '
                       'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION catreg.maintain_obscore_path()', s.source);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_add_triggers(regclass) IS
    'internal: puts the triggers that are missing on the tables of a registry';

CREATE FUNCTION catreg.obscore_has_triggers(obscore regclass) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    RETURN (SELECT bool_and(EXISTS (SELECT FROM pg_trigger t
                                    WHERE t.tgrelid = s.source AND t.tgenabled <> 'D' AND t.tgname = 'catreg_obscore_truncate'))
            FROM catreg.obscore_sources(obscore) s);
EXCEPTION WHEN OTHERS THEN
    -- a registry that has been damaged, or is gone: those that are right are shown all the same
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION catreg.obscore_has_triggers(regclass) IS
    'internal: are all triggers there and enabled? NULL where it cannot be told';

CREATE FUNCTION catreg.obscore_lock_tables(tables regclass[], mode text) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    statement text := format('LOCK TABLE %s IN %s MODE', (SELECT string_agg(t::text, ', ' ORDER BY t) FROM unnest(tables) t), mode);
    timeout text := current_setting('lock_timeout');
BEGIN
    -- all at once, and not for longer than it takes to find a deadlock: a client that waits for us while we wait for him goes on
    FOR i IN 1 .. 100 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '100ms', true);
            EXECUTE statement;
            PERFORM set_config('lock_timeout', timeout, true);
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;
    EXECUTE statement;
END
$$;
COMMENT ON FUNCTION catreg.obscore_lock_tables(regclass[], text) IS
    'internal: locks tables until the end of the transaction';

CREATE FUNCTION catreg.obscore_lock_sources(obscore regclass) RETURNS void
    LANGUAGE sql STRICT SET search_path = pg_catalog, pg_temp AS
$$
    SELECT catreg.obscore_lock_tables(ARRAY(SELECT s.source FROM catreg.obscore_sources(obscore) s), 'SHARE ROW EXCLUSIVE')
$$;
COMMENT ON FUNCTION catreg.obscore_lock_sources(regclass) IS
    'internal: keeps writers of a registry out until the end of the transaction';

CREATE FUNCTION catreg.obscore_remove_triggers(registry regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    -- of what is left: anything at all, anything find-first?
    kept boolean := EXISTS (SELECT FROM catreg.obscore o WHERE catreg.schema_of_registry(o.registry) = obscore_remove_triggers.registry);
    find_first boolean := EXISTS (SELECT FROM catreg.obscore o WHERE catreg.schema_of_registry(o.registry) = obscore_remove_triggers.registry
                                  AND o.config->>'collection_type' = 'CHAINED');
    tables regclass[];
    t record;
BEGIN
    -- whoever is making another table has locked them, and counts on their triggers
    tables := ARRAY(SELECT DISTINCT tgrelid::regclass FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
                    WHERE c.relnamespace = registry
                      AND (NOT kept AND tgfoid = 'catreg.maintain_obscore'::regproc OR NOT find_first AND tgfoid = 'catreg.maintain_obscore_path'::regproc));
    IF tables <> '{}' THEN
        PERFORM catreg.obscore_lock_tables(tables, 'ACCESS EXCLUSIVE');
        SELECT count(*) > 0, COALESCE(bool_or(o.config->>'collection_type' = 'CHAINED'), false) INTO kept, find_first
        FROM catreg.obscore o WHERE catreg.schema_of_registry(o.registry) = obscore_remove_triggers.registry;
    END IF;
    FOR t IN
        SELECT tgrelid::regclass AS rel, tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        WHERE c.relnamespace = registry
          AND (NOT kept AND tgfoid IN ('catreg.maintain_obscore'::regproc, 'catreg.collect_obscore'::regproc)
               OR NOT find_first AND tgfoid = 'catreg.maintain_obscore_path'::regproc)
        ORDER BY tgrelid
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.rel);
    END LOOP;
    FOR t IN
        SELECT i.oid::regclass AS rel FROM pg_class i
        WHERE NOT find_first AND i.relnamespace = registry AND i.relkind IN ('i', 'I') AND starts_with(i.relname, 'catreg_find_first_')
    LOOP
        EXECUTE format('DROP INDEX %s', t.rel);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_remove_triggers(regnamespace) IS
    'internal: takes what no ObsCore table needs any more off the tables of a registry';

CREATE FUNCTION catreg.obscore_add_key(obscore regclass, statement text) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN unique_violation THEN
    -- datasets with tags in several runs
    EXECUTE format('DELETE FROM %1$s WHERE registry_dataset_id IN (SELECT registry_dataset_id FROM %1$s GROUP BY 1 HAVING count(*) > 1)', obscore);
    EXECUTE statement;
    PERFORM catreg.refresh_obscore(obscore);
END
$$;
COMMENT ON FUNCTION catreg.obscore_add_key(regclass, text) IS
    'internal: gives a table that was filled its primary key';

CREATE FUNCTION catreg.obscore_create_own(config json, registry regnamespace, name name) RETURNS regclass
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    statements text[] := ARRAY(SELECT catreg.obscore_create_statements(config::text, registry, name));
    obscore regclass;
    statement text;
BEGIN
    obscore := (SELECT c.oid FROM pg_class c WHERE c.relnamespace = registry AND c.relname = name
                AND (c.relkind = 'p' OR catreg.citus_keeps(c.oid)));
    IF obscore IS NOT NULL THEN
        PERFORM catreg.obscore_take_parts(obscore, config, registry, statements);
        RETURN obscore;
    END IF;
    EXECUTE statements[1];
    obscore := format('%s.%I', registry, name)::regclass;
    PERFORM catreg.obscore_define(obscore, registry, config, true, NULL);
    -- from here on nobody writes the tables that rows are made of, until this is committed
    PERFORM catreg.obscore_lock_sources(obscore);
    PERFORM catreg.obscore_add_triggers(obscore);
    PERFORM catreg.obscore_fill(obscore);
    PERFORM catreg.obscore_add_key(obscore, statements[2]);
    FOREACH statement IN ARRAY statements[3:] LOOP
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
    IF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = obscore AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL
                   AND indkey::text = (SELECT attnum::text FROM pg_attribute WHERE attrelid = obscore AND attname = 'registry_dataset_id')) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s has no unique index on "registry_dataset_id"', obscore),
            DETAIL = 'The client makes a primary key of it.',
            HINT = format('ALTER TABLE %s ADD PRIMARY KEY (registry_dataset_id)', obscore);
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN region catreg.region', obscore);
    PERFORM catreg.obscore_define(obscore, registry, client_config::json, false, client_config);
    PERFORM catreg.obscore_lock_sources(obscore);
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
    IF name = '' OR octet_length(name) > 63 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name', MESSAGE = format('"%s" cannot be a table''s name', name),
            HINT = 'Names in PostgreSQL have 1 to 63 bytes.';
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
    'makes an ObsCore table of a Butler registry, or of a Tiled catalog, and keeps it from then on; without a configuration it takes over the Butler client''s own';

CREATE FUNCTION catreg.obscore_begin_alter(obscore regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_begin_alter(regclass) IS
    'internal: has writers note what they change from here on';

CREATE FUNCTION catreg.obscore_fill_from(obscore regclass, old regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_fill_from(regclass, regclass) IS
    'internal: makes all rows of a table that is empty, and copies those that another has';

CREATE FUNCTION catreg.obscore_catch_up(obscore regclass, old regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_catch_up(regclass, regclass) IS
    'internal: applies what writers have noted';

CREATE FUNCTION catreg.obscore_clear_journal(obscore regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.obscore_clear_journal(regclass) IS
    'internal: forgets what writers have noted';

CREATE FUNCTION catreg.obscore_check_alterable(obscore regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    obstacle text;
BEGIN
    SELECT o INTO obstacle FROM (
        SELECT 'Citus, which keeps its rows' WHERE catreg.citus_keeps(obscore)
        UNION ALL SELECT format('trigger "%s"', tgname) FROM pg_trigger WHERE tgrelid = obscore AND NOT tgisinternal
        UNION ALL SELECT format('row security policy "%s"', polname) FROM pg_policy WHERE polrelid = obscore
        UNION ALL SELECT format('foreign key "%s"', conname) FROM pg_constraint WHERE contype = 'f' AND obscore IN (conrelid, confrelid)
        UNION ALL SELECT format('publication "%s"', p.pubname) FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = obscore
        UNION ALL SELECT format('table %s, which inherits from it or is its parent', CASE obscore WHEN inhparent THEN inhrelid ELSE inhparent END::regclass)
                  FROM pg_inherits WHERE obscore IN (inhrelid, inhparent)
        UNION ALL SELECT format('materialized view %s', c.oid::regclass)
                  FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid JOIN pg_class c ON c.oid = w.ev_class
                  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = obscore AND c.relkind = 'm') x (o) LIMIT 1;
    IF obstacle IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('ObsCore table %s cannot be altered because of %s', obscore, obstacle),
            DETAIL = 'A new table takes its place, to which rights, comments, indexes and views are carried over, but nothing else.',
            HINT = 'Drop it first, and make it again afterwards.';
    END IF;
END
$$;
COMMENT ON FUNCTION catreg.obscore_check_alterable(regclass) IS
    'internal: refuses a table on which something depends that cannot be carried over';

CREATE FUNCTION catreg.obscore_carry_over(old regclass, new regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, new, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                      CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = old AND a.grantee <> c.relowner
        UNION ALL
        SELECT format('GRANT %s (%I) ON %s TO %s%s', a.privilege_type, o.attname, new, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                      CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_attribute o JOIN pg_attribute n ON n.attrelid = new AND n.attname = o.attname AND NOT n.attisdropped, aclexplode(o.attacl) a
        WHERE o.attrelid = old AND NOT o.attisdropped
        UNION ALL
        SELECT format('COMMENT ON TABLE %s IS %L', new, obj_description(old, 'pg_class')) WHERE obj_description(old, 'pg_class') IS NOT NULL
        UNION ALL
        SELECT format('COMMENT ON COLUMN %s.%I IS %L', new, o.attname, col_description(old, o.attnum))
        FROM pg_attribute o JOIN pg_attribute n ON n.attrelid = new AND n.attname = o.attname AND NOT n.attisdropped
        WHERE o.attrelid = old AND NOT o.attisdropped AND col_description(old, o.attnum) IS NOT NULL
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_carry_over(regclass, regclass) IS
    'internal: gives a table the rights and comments of another';

CREATE FUNCTION catreg.obscore_indexes(obscore regclass, OUT index regclass, OUT name name, OUT is_unique boolean, OUT definition text)
    RETURNS SETOF record LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS
$$
    SELECT c.oid, c.relname, x.indisunique,
           substr(pg_get_indexdef(c.oid), length(format('CREATE %sINDEX %I ON %s ', CASE WHEN x.indisunique THEN 'UNIQUE ' END, c.relname, obscore)) + 1)
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
    WHERE x.indrelid = obscore AND x.indisvalid AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)
$$;
COMMENT ON FUNCTION catreg.obscore_indexes(regclass) IS
    'internal: the indexes of an ObsCore table that are no constraint''s, and how each is defined, less the names';

CREATE FUNCTION catreg.obscore_carry_indexes(old regclass, new regclass, old_config json) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    -- what has been made for the old configuration
    made text[] := ARRAY(
        SELECT format('USING btree (%s)', (SELECT string_agg(quote_ident(c), ', ' ORDER BY n) FROM jsonb_array_elements_text(i.columns) WITH ORDINALITY e (c, n)))
        FROM (SELECT CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END AS columns
              FROM jsonb_each(COALESCE(NULLIF(old_config::jsonb->'indices', 'null'), '{}'))) i
        UNION ALL
        SELECT format('USING gist (%I)', a.attname) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = old AND a.attnum > 0 AND t.typnamespace <> 'pg_catalog'::regnamespace);
    i record;
BEGIN
    FOR i IN
        SELECT o.* FROM catreg.obscore_indexes(old) o
        WHERE o.definition <> ALL (made)
          AND o.definition NOT IN (SELECT definition FROM catreg.obscore_indexes(new))
          AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = old AND a.attnum = d.refobjsubid
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = o.index AND d.refclassid = 'pg_class'::regclass AND d.refobjid = old
                            AND NOT EXISTS (SELECT FROM pg_attribute n WHERE n.attrelid = new AND n.attname = a.attname AND NOT n.attisdropped))
        ORDER BY o.name
    LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', i.index, 'catreg_old_' || i.index::oid);
        EXECUTE format('CREATE %sINDEX %I ON %s %s', CASE WHEN i.is_unique THEN 'UNIQUE ' END, i.name, new, i.definition);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_carry_indexes(regclass, regclass, json) IS
    'internal: makes the indexes again that somebody has added, where their columns are still there';

CREATE FUNCTION catreg.obscore_take_place(old regclass, new regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    schema regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = old);
    old_name name := (SELECT relname FROM pg_class WHERE oid = old);
    new_name name := (SELECT relname FROM pg_class WHERE oid = new);
    views text[];
    statement text;
    i record;
BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', old);
    views := ARRAY(
        SELECT DISTINCT format('CREATE OR REPLACE VIEW %s%s AS %s', v.oid::regclass,
                               ' WITH (' || array_to_string(v.reloptions, ', ') || ')', pg_get_viewdef(v.oid))
        FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = old AND v.relkind = 'v');
    EXECUTE format('ALTER TABLE %s RENAME TO %I', old, 'catreg_old_' || old::oid);
    IF schema <> (SELECT relnamespace FROM pg_class WHERE oid = new) THEN
        EXECUTE format('ALTER TABLE %s SET SCHEMA %s', new, schema);
    END IF;
    EXECUTE format('ALTER TABLE %s RENAME TO %I', new, old_name);
    FOREACH statement IN ARRAY views LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN undefined_column OR undefined_function OR datatype_mismatch OR invalid_table_definition THEN
            RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
                MESSAGE = format('ObsCore table %s cannot be altered because a view of it would not be what it was: %s',
                                 format('%s.%I', schema, old_name), SQLERRM),
                DETAIL = 'A new table takes the place of the old one, and the view is made again: ' || statement,
                HINT = 'Drop the view first, and make it again afterwards.';
        END;
    END LOOP;
    EXECUTE format('DROP TABLE %s', old);
    FOR i IN SELECT c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
             WHERE x.indrelid = new AND starts_with(c.relname, new_name)
               AND octet_length(old_name || substr(c.relname, length(new_name) + 1)) < 64 LOOP
        EXECUTE format('ALTER INDEX %s.%I RENAME TO %I', schema, i.relname, old_name || substr(i.relname, length(new_name) + 1));
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_take_place(regclass, regclass) IS
    'internal: drops a table and gives another its name, in views, too';

CREATE FUNCTION catreg.alter_obscore(obscore regclass, config json) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    d record;
    name name := 'catreg_new_' || obscore::oid;
    statements text[];
    statement text;
    made regclass;
BEGIN
    PERFORM catreg.obscore_begin_alter(obscore);
    -- what was noted for one that failed
    PERFORM catreg.obscore_clear_journal(obscore);
    IF EXISTS (SELECT FROM catreg.obscore o WHERE o.obscore = alter_obscore.obscore
               AND (o.config->>'source') IS DISTINCT FROM (alter_obscore.config->>'source')) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the source of table %s cannot be altered', obscore),
            HINT = 'Make another table with catreg.create_obscore().';
    END IF;
    IF config->>'source' IS NOT NULL THEN
        PERFORM catreg.obscore_alter_tiled(obscore, config);
        RETURN;
    END IF;
    SELECT o.config, o.own_table, catreg.schema_of_registry(o.registry) AS registry, pg_get_userbyid(c.relowner) AS owner INTO d
    FROM catreg.obscore o JOIN pg_class c ON c.oid = o.obscore WHERE o.obscore = alter_obscore.obscore;
    IF NOT d.own_table THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s is the client''s own, whose configuration is the registry''s', obscore),
            HINT = 'Make a table of its own with catreg.create_obscore().';
    END IF;
    IF (d.config->>'collection_type' = 'CHAINED') <> (config->>'collection_type' IS NOT DISTINCT FROM 'CHAINED') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the collection_type of table %s cannot be altered from "%s" to "%s"', obscore,
                             d.config->>'collection_type', config->>'collection_type'),
            HINT = 'Make another table with catreg.create_obscore().';
    END IF;
    PERFORM catreg.obscore_check_alterable(obscore);
    statements := ARRAY(SELECT catreg.obscore_create_statements(config::text, d.registry, name));
    EXECUTE statements[1];
    made := format('%s.%I', d.registry, name)::regclass;
    EXECUTE format('ALTER TABLE %s OWNER TO %I', made, d.owner);
    PERFORM catreg.obscore_carry_over(obscore, made);
    PERFORM catreg.obscore_define(made, d.registry, config, true, NULL);
    PERFORM catreg.obscore_fill_from(made, obscore);
    FOREACH statement IN ARRAY statements[2:] LOOP
        EXECUTE statement;
    END LOOP;
    PERFORM catreg.obscore_carry_indexes(obscore, made, d.config);
    -- from here on writers wait
    PERFORM catreg.obscore_lock_sources(made);
    PERFORM catreg.obscore_add_triggers(made);
    PERFORM catreg.obscore_catch_up(made, obscore);
    PERFORM catreg.obscore_clear_journal(obscore);
    PERFORM catreg.obscore_undefine(obscore);
    PERFORM catreg.obscore_take_place(obscore, made);
END
$$;
COMMENT ON FUNCTION catreg.alter_obscore(regclass, json) IS
    'gives an ObsCore table another configuration while it is used';

CREATE FUNCTION catreg.drop_obscore(obscore regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    d record;
BEGIN
    SELECT o.own_table, o.client_config, catreg.schema_of_registry(o.registry) AS registry INTO d
    FROM catreg.obscore o WHERE o.obscore = drop_obscore.obscore;
    PERFORM catreg.obscore_clear_journal(obscore);
    -- as writers of the registry do: the table, then its definition
    IF d.own_table AND (SELECT count(*) > 1 FROM catreg.obscore o WHERE catreg.schema_of_registry(o.registry) = d.registry) THEN
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', obscore);
    END IF;
    PERFORM catreg.obscore_undefine(obscore);
    PERFORM catreg.obscore_remove_triggers(d.registry);
    IF d.own_table THEN
        EXECUTE format('DROP TABLE %s', obscore);
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS region', obscore);
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
        WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND o.objid IN (d.obscore, d.registry)
        RETURNING catreg.schema_of_registry(d.registry)
    LOOP
        PERFORM catreg.obscore_remove_triggers(dropped);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_follow_drop() IS
    'event trigger: lets go of an ObsCore table that is dropped, or whose registry is';

CREATE EVENT TRIGGER catreg_obscore_drop ON sql_drop
    EXECUTE FUNCTION catreg.obscore_follow_drop();
-- under session_replication_role = replica too
ALTER EVENT TRIGGER catreg_obscore_drop ENABLE ALWAYS;
