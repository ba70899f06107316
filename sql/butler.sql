-- butler ------------------------------------------------------------------

CREATE FUNCTION catreg.match_collections(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT name text, OUT type text)
    RETURNS SETOF record LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.match_collections(text[], regnamespace) IS
    'the collections that names, globs and regular expressions (~...) choose, chains as they are';

CREATE FUNCTION catreg.flatten_collections(names text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT "position" int, OUT name text, OUT type text)
    RETURNS SETOF record LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.flatten_collections(text[], regnamespace) IS
    'the search path that collections stand for: chains give way to their members, depth first';

CREATE FUNCTION catreg.match_dataset_types(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT name text)
    RETURNS SETOF text LANGUAGE c STABLE STRICT ROWS 100 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.match_dataset_types(text[], regnamespace) IS
    'the dataset types that names, globs and regular expressions (~...) choose';

CREATE FUNCTION catreg.find_datasets(dataset_type text, collections text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        data_id jsonb DEFAULT NULL, OUT dataset_id uuid, OUT run text, OUT "position" int)
    RETURNS SETOF record LANGUAGE c STABLE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.find_datasets(text, text[], regnamespace, jsonb) IS
    'the first dataset of each data id on a search path; of those that agree with a data id, or part of one, if it is given';

CREATE FUNCTION catreg.refresh_summaries(collections text[], registry regnamespace DEFAULT 'public'::text::regnamespace,
        OUT inserted bigint, OUT deleted bigint)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.refresh_summaries(text[], regnamespace) IS
    'makes the summaries of collections, and of what chains lead to, say what they hold and nothing else';

-- Frozen collections

CREATE TABLE catreg.frozen_collection (
    registry regclass,
    collection text,
    frozen timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (registry, collection)
);
COMMENT ON TABLE catreg.frozen_collection IS 'the collections that are frozen; written by freeze_collections() and thaw_collections() only';
COMMENT ON COLUMN catreg.frozen_collection.registry IS 'a table of the registry, see table_of_registry()';
COMMENT ON COLUMN catreg.frozen_collection.collection IS 'its key: the collection_id, or the name in registries that go by names';
SELECT pg_catalog.pg_extension_config_dump('catreg.frozen_collection', '');
GRANT SELECT ON catreg.frozen_collection TO PUBLIC;

CREATE TRIGGER signal_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catreg.frozen_collection
    FOR EACH STATEMENT EXECUTE FUNCTION catreg.signal_change();

CREATE FUNCTION catreg.refuse_frozen() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.refuse_frozen() IS
    'trigger: refuses what would change a frozen collection';

CREATE FUNCTION catreg.freeze_begin(registry regnamespace) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.freeze_begin(regnamespace) IS
    'internal: lets freeze_collections() and thaw_collections() run one after another';

CREATE FUNCTION catreg.freeze_sources(registry regnamespace, OUT source regclass, OUT key name) RETURNS SETOF record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.freeze_sources(regnamespace) IS
    'internal: the tables of a registry that say what a collection is';

CREATE FUNCTION catreg.freeze_define(patterns text[], registry regnamespace) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.freeze_define(text[], regnamespace) IS
    'internal: writes rows of catreg.frozen_collection';

CREATE FUNCTION catreg.freeze_undefine(patterns text[], registry regnamespace) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.freeze_undefine(text[], regnamespace) IS
    'internal: deletes rows of catreg.frozen_collection';

CREATE FUNCTION catreg.freeze_is_any(registry regnamespace) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION catreg.freeze_is_any(regnamespace) IS
    'internal: is a collection of the registry frozen?';

CREATE FUNCTION catreg.freeze_lock(registry regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    s record;
BEGIN
    -- with dataset_type locked no table can be added any more: then all of them are known
    FOR i IN 1..2 LOOP
        FOR s IN SELECT * FROM catreg.freeze_sources(registry) LOOP
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', s.source);
            EXIT WHEN i = 1 AND s.key IS NULL;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.freeze_lock(regnamespace) IS
    'internal: waits for the writers of a registry, and lets nobody else begin';

CREATE FUNCTION catreg.freeze_add_triggers(registry regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    s record;
    t record;
BEGIN
    FOR s IN SELECT * FROM catreg.freeze_sources(registry) WITH ORDINALITY LOOP
        FOR t IN
            SELECT * FROM (VALUES
                ('insert', s.ordinality > 1 AND s.key IS NOT NULL, 'AFTER INSERT', 'REFERENCING NEW TABLE AS catreg_new FOR EACH STATEMENT'),
                ('update', s.ordinality > 1 AND s.key IS NOT NULL, 'AFTER UPDATE', 'REFERENCING OLD TABLE AS catreg_old NEW TABLE AS catreg_new FOR EACH STATEMENT'),
                ('delete', s.ordinality > 1 AND s.key IS NOT NULL, 'AFTER DELETE', 'REFERENCING OLD TABLE AS catreg_old FOR EACH STATEMENT'),
                -- of the collections themselves, whose documentation may change
                ('update', s.ordinality = 1, 'BEFORE UPDATE OF name, type' || CASE s.key WHEN 'name' THEN '' ELSE ', ' || quote_ident(s.key) END, 'FOR EACH ROW'),
                ('delete', s.ordinality = 1, 'BEFORE DELETE', 'FOR EACH ROW'),
                ('truncate', s.key IS NOT NULL, 'BEFORE TRUNCATE', 'FOR EACH STATEMENT'),
                ('types', s.key IS NULL, 'AFTER INSERT OR UPDATE', 'FOR EACH STATEMENT')) e (name, wanted, event, how)
            WHERE e.wanted
              AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = s.source AND tgname = 'catreg_freeze_' || e.name)
        LOOP
            EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION %s',
                           'catreg_freeze_' || t.name, t.event, s.source, t.how,
                           CASE t.name WHEN 'types' THEN 'catreg.freeze_types()' ELSE format('catreg.refuse_frozen(%L)', s.key) END);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.freeze_add_triggers(regnamespace) IS
    'internal: puts the triggers that are missing on the tables of a registry';

CREATE FUNCTION catreg.freeze_types() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM catreg.freeze_add_triggers(TG_TABLE_SCHEMA::regnamespace);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION catreg.freeze_types() IS
    'trigger, for each statement: the tables of a new dataset type are watched, too';

CREATE FUNCTION catreg.freeze_remove_triggers(registry regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT tgrelid::regclass AS rel, tgname
        FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        JOIN catreg.freeze_sources(registry) WITH ORDINALITY s (source, key, place) ON s.source = tgrelid
        WHERE tgfoid IN ('catreg.refuse_frozen'::regproc, 'catreg.freeze_types'::regproc) ORDER BY s.place
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.rel);
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.freeze_remove_triggers(regnamespace) IS
    'internal: takes the triggers off the tables of a registry';

CREATE FUNCTION catreg.freeze_collections(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace, OUT name text)
    RETURNS SETOF text LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM catreg.freeze_begin(registry);
    PERFORM catreg.freeze_lock(registry);
    RETURN QUERY SELECT catreg.freeze_define(patterns, registry);
    IF catreg.freeze_is_any(registry) THEN
        PERFORM catreg.freeze_add_triggers(registry);
    END IF;
END
$$;
COMMENT ON FUNCTION catreg.freeze_collections(text[], regnamespace) IS
    'freezes collections: what would change them is refused from then on; returns those that were not frozen before';

CREATE FUNCTION catreg.thaw_collections(patterns text[], registry regnamespace DEFAULT 'public'::text::regnamespace, OUT name text)
    RETURNS SETOF text LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    PERFORM catreg.freeze_begin(registry);
    RETURN QUERY SELECT catreg.freeze_undefine(patterns, registry);
    IF NOT catreg.freeze_is_any(registry) THEN
        PERFORM catreg.freeze_remove_triggers(registry);
    END IF;
END
$$;
COMMENT ON FUNCTION catreg.thaw_collections(text[], regnamespace) IS
    'makes frozen collections writable again; returns those that were frozen';

CREATE FUNCTION catreg.freeze_follow_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    DELETE FROM catreg.frozen_collection f USING pg_event_trigger_dropped_objects() o
    WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND o.objid = f.registry;
END
$$;
COMMENT ON FUNCTION catreg.freeze_follow_drop() IS
    'event trigger: lets go of the collections of a registry that is dropped';

CREATE EVENT TRIGGER catreg_frozen_drop ON sql_drop
    EXECUTE FUNCTION catreg.freeze_follow_drop();
-- under session_replication_role = replica too
ALTER EVENT TRIGGER catreg_frozen_drop ENABLE ALWAYS;

