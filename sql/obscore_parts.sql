-- obscore: tables in parts, some of them on other servers, and those of Citus ---

CREATE FUNCTION catreg.obscore_check_parts(obscore regclass, config json, registry regnamespace) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    model name := 'catreg_model_of_' || obscore::oid;
    missing text;
BEGIN
    IF config->>'collection_type' = 'CHAINED' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s table %s cannot be a find-first table', CASE WHEN catreg.citus_keeps(obscore) THEN 'Citus''s' ELSE 'partitioned' END, obscore),
            DETAIL = 'Two datasets of one data id meet at a unique index, which such a table cannot have.';
    END IF;
    EXECUTE (SELECT s FROM catreg.obscore_create_statements(config::text, registry, model) s LIMIT 1);
    SELECT string_agg(format('%I %s', m.attname, format_type(m.atttypid, m.atttypmod)), ', ' ORDER BY m.attnum) INTO missing
    FROM pg_attribute m
    WHERE m.attrelid = format('%s.%I', registry, model)::regclass AND m.attnum > 0
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = obscore AND NOT a.attisdropped
                      AND a.attname = m.attname AND a.atttypid = m.atttypid AND a.atttypmod = m.atttypmod);
    EXECUTE format('DROP TABLE %s.%I', registry, model);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column',
            MESSAGE = format('table %s lacks columns of its configuration: %s', obscore, missing),
            HINT = 'catreg.obscore_table() writes the statement that makes such a table.';
    END IF;
END
$$;
COMMENT ON FUNCTION catreg.obscore_check_parts(regclass, json, regnamespace) IS
    'internal: can a table that is there hold what a configuration says?';

CREATE FUNCTION catreg.obscore_add_key(part regclass) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    divided_by name;
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indrelid = part AND indisprimary) THEN
        RETURN;
    END IF;
    IF catreg.citus_keeps(part) THEN
        EXECUTE 'SELECT column_to_column_name(logicalrelid, partkey) FROM pg_dist_partition WHERE logicalrelid = $1' INTO divided_by USING part;
    END IF;
    -- unique in each shard only, as it is in each partition
    IF divided_by <> 'registry_dataset_id' THEN
        EXECUTE format('CREATE UNIQUE INDEX ON %s (registry_dataset_id, %I)', part, divided_by);
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (registry_dataset_id)', part);
END
$$;
COMMENT ON FUNCTION catreg.obscore_add_key(regclass) IS
    'internal: gives a table, or a partition, of a dataset one row';

CREATE FUNCTION catreg.obscore_take_parts(obscore regclass, config json, registry regnamespace, statements text[]) RETURNS void
    LANGUAGE plpgsql STRICT SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    is_empty boolean;
    part regclass;
    statement text;
BEGIN
    PERFORM catreg.obscore_check_parts(obscore, config, registry);
    PERFORM catreg.obscore_define(obscore, registry, config, true, NULL);
    PERFORM catreg.obscore_lock_sources(obscore);
    PERFORM catreg.obscore_add_triggers(obscore);
    -- on a foreign table that is for its own server
    FOR part IN
        SELECT c.oid FROM pg_partition_tree(obscore) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf AND c.relkind = 'r'
        UNION SELECT c.oid FROM pg_class c WHERE c.oid = obscore AND c.relkind = 'r'
    LOOP
        PERFORM catreg.obscore_add_key(part);
    END LOOP;
    EXECUTE format('SELECT count(*) = 0 FROM (SELECT 1 FROM %s LIMIT 1) r', obscore) INTO is_empty;
    IF is_empty THEN
        PERFORM catreg.obscore_fill(obscore);
    ELSE
        PERFORM catreg.refresh_obscore(obscore);
    END IF;
    -- all but the primary key
    FOREACH statement IN ARRAY statements[3:] LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMENT ON FUNCTION catreg.obscore_take_parts(regclass, json, regnamespace, text[]) IS
    'internal: create_obscore() with a partitioned table, or one of Citus, that is there';

CREATE FUNCTION catreg.obscore_table(config json, registry regnamespace DEFAULT 'public'::text::regnamespace, name text DEFAULT NULL) RETURNS text
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s FROM catreg.obscore_create_statements(config::text, registry, COALESCE(name, catreg.obscore_table_name(config::text)::text)::name) s LIMIT 1;
END;
COMMENT ON FUNCTION catreg.obscore_table(json, regnamespace, text) IS
    'the CREATE TABLE of a configuration, to which PARTITION BY may be added before create_obscore() takes the table over';
