-- Updates of what no row shows are passed by, and those of anything else are not.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set scans :testdir '/sql/include/scans.sql'
\set ECHO none
\i :setup
\i :scans
\set ECHO all
RESET search_path;

SELECT '{"facility_name": "F", "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}", "extra_columns": {"title": {"template": "{records[detector].full_name}"}}},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"},
    "deepCoadd": {"dataproduct_type": "image", "calib_level": 3, "obs_id_fmt": "{tract}-{records[patch].cell_x}"}},
  "extra_columns": {"class": {"template": "{records[instrument].class_name}"}, "lsst_run": {"template": "{run}"}, "band": {"template": "{band}"}}}'::jsonb AS config \gset
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN"}')::json, 'registry', 'of_runs');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "CHAINED", "collections": ["*"]}')::json, 'registry', 'of_path');
CREATE VIEW wrong AS SELECT * FROM catreg.check_obscore('registry.of_runs') UNION ALL SELECT * FROM catreg.check_obscore('registry.of_path');
SELECT count(registry.put('calexp', 'Cam/runs/1', d, v)) FROM generate_series(0, 3) d, generate_series(1, 3) v;
SELECT count(registry.put('raw', 'Cam/raw/all', d, e)) FROM generate_series(0, 3) d, generate_series(1, 3) e;
INSERT INTO registry.visit_definition SELECT 'Cam', v, v FROM generate_series(1, 2) v;
INSERT INTO registry.dataset SELECT registry.id('coadd'), 3, 0, collection_id FROM registry.collection WHERE name = 'Cam/runs/1';
INSERT INTO registry.dataset_tags_00000003 SELECT 3, id, run_id, 'r', 'sky', 1, 2 FROM registry.dataset WHERE dataset_type_id = 3;
SELECT (SELECT count(*) FROM registry.of_runs) AS of_runs, (SELECT count(*) FROM registry.of_path) AS of_path;

\echo are the tables looked at?
SELECT statement, EXISTS (SELECT FROM registry.scans(statement, '^of_')) AS looks FROM unnest(ARRAY[
    'UPDATE registry.collection SET doc = ''about it''',
    'UPDATE registry.collection SET name = name',
    'UPDATE registry.collection SET name = name || ''/x'' WHERE name = ''Cam/runs/1''',
    'UPDATE registry.instrument SET visit_max = 7, exposure_max = NULL',
    'UPDATE registry.instrument SET class_name = ''lsst.Other''',
    'UPDATE registry.instrument SET class_name = NULL',
    'UPDATE registry.detector SET purpose = NULL',
    'UPDATE registry.detector SET full_name = full_name || ''x'' WHERE id = 3',
    'UPDATE registry.exposure SET can_see_sky = NOT can_see_sky',
    'UPDATE registry.exposure SET obs_id = ''none'' WHERE id = 3',
    'UPDATE registry.visit SET zenith_angle = 1, seq_num = 8',
    'UPDATE registry.visit SET target_name = ''M 1''',
    'UPDATE registry.visit SET target_name = ''M 1''',
    'UPDATE registry.visit SET physical_filter = ''g_01'' WHERE id = 2',
    'UPDATE registry.exposure SET physical_filter = physical_filter',
    'UPDATE registry.physical_filter SET band = ''z'' WHERE name = ''g_01''',
    'UPDATE registry.patch SET cell_y = 9',
    'UPDATE registry.patch SET cell_x = 9',
    'UPDATE registry.dataset_type SET storage_class = ''Other''',
    'UPDATE registry.dataset_type SET name = ''other'' WHERE name = ''src''',
    'DELETE FROM registry.dataset_type WHERE name = ''other''',
    'UPDATE registry.dataset_type SET name = ''raw_'' WHERE name = ''raw''',
    'UPDATE registry.dataset_type SET name = ''raw'' WHERE name = ''raw_''',
    'UPDATE registry.skymap SET hash = ''\x01''']) WITH ORDINALITY u (statement, n) ORDER BY n;
TABLE wrong;

\echo each column of each record: something else, then nothing
DO $$
DECLARE
    c record;
    value text;
    n int := 0;
    of_all bigint := 0;
BEGIN
    FOR c IN SELECT a.attrelid::regclass AS relation, quote_ident(attname) AS name, format_type(atttypid, NULL) AS type, attnotnull
             FROM pg_attribute a JOIN pg_class r ON r.oid = attrelid
             WHERE relnamespace = 'registry'::regnamespace AND attnum > 0 AND NOT attisdropped AND relname = ANY ('{collection,instrument,physical_filter,detector,day_obs,group,visit,exposure,visit_detector_region,skymap,tract,patch}')
               AND attname NOT IN ('collection_id', 'instrument', 'id', 'detector', 'visit', 'day_obs', 'group', 'physical_filter', 'skymap', 'tract')
               AND NOT (relname IN ('instrument', 'physical_filter', 'group', 'skymap') AND attname = 'name') ORDER BY 1, attnum LOOP
        value := CASE c.type WHEN 'bigint' THEN 'COALESCE(@, 1) + 1' WHEN 'smallint' THEN '3 - @' WHEN 'double precision' THEN 'COALESCE(@, 1) * 2' WHEN 'boolean' THEN 'NOT @' WHEN 'bytea' THEN '''\x02'''
                 WHEN 'int8range' THEN 'int8range(lower(@) + 1000000000, upper(@) + 2000000000)' ELSE '@ || ''x''' END;
        IF c.name = 'region' THEN
            value := 'registry.square(200, -30)';
        END IF;
        EXECUTE format('UPDATE %s SET %s = %s', c.relation, c.name, replace(value, '@', c.name));
        of_all := of_all + (SELECT count(*) FROM wrong);
        IF NOT c.attnotnull THEN
            EXECUTE format('UPDATE %s SET %s = NULL', c.relation, c.name);
            of_all := of_all + (SELECT count(*) FROM wrong);
        END IF;
        IF of_all > 0 THEN
            RAISE EXCEPTION 'wrong after updates of %.%', c.relation, c.name;
        END IF;
        n := n + 1;
    END LOOP;
    RAISE WARNING '% columns', n;
END
$$;

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
DROP VIEW IF EXISTS wrong;
