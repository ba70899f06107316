-- Whoever writes a registry has the rights of its owner used for him, and a search
-- path of his own: nothing that it leads to is called.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

-- of every operator, function and type of PostgreSQL's own one that tells when it is used
CREATE SCHEMA trap;
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT o.oid, oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
             FROM pg_operator o JOIN pg_type l ON l.oid = oprleft JOIN pg_type r ON r.oid = oprright JOIN pg_type s ON s.oid = oprresult
             WHERE l.typtype = 'b' AND r.typtype = 'b' AND s.typtype = 'b' AND o.oprnamespace = 'pg_catalog'::regnamespace LOOP
        EXECUTE format('CREATE FUNCTION trap.%I(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', 'operator ' || t.oid, t.l, t.r, t.result,
                       format('BEGIN RAISE WARNING ''trapped: %s %s %s''; RETURN $1 OPERATOR(pg_catalog.%s) $2; END',
                              t.l, replace(t.oprname, '%', '%%'), t.r, t.oprname));
        EXECUTE format('CREATE OPERATOR trap.%s (leftarg = %s, rightarg = %s, function = trap.%I)', t.oprname, t.l, t.r, 'operator ' || t.oid);
    END LOOP;
    FOR t IN SELECT proname, pg_get_function_identity_arguments(p.oid) AS arguments, p.prorettype::regtype AS result, p.oid
             FROM pg_proc p JOIN pg_type r ON r.oid = p.prorettype
             WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND pronargs > 0 AND r.typtype = 'b' AND p.proargmodes IS NULL
               AND NOT EXISTS (SELECT FROM unnest(proargtypes) a JOIN pg_type y ON y.oid = a WHERE y.typtype <> 'b') LOOP
        EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', t.proname, t.arguments, t.result,
                       format('BEGIN RAISE WARNING ''trapped: %s''; RETURN NULL; END', t.oid::regprocedure));
    END LOOP;
    FOR t IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typcategory <> 'A' LOOP
        EXECUTE format('CREATE FUNCTION trap.%I(pg_catalog.%I) RETURNS bool LANGUAGE plpgsql AS %L', 'type ' || t.typname, t.typname,
                       format('BEGIN RAISE WARNING ''trapped: type %s''; RETURN true; END', t.typname));
        EXECUTE format('CREATE DOMAIN trap.%I AS pg_catalog.%I CHECK (trap.%I(value))', t.typname, t.typname, 'type ' || t.typname);
    END LOOP;
END
$$;
SELECT count(*) > 600 FROM pg_operator WHERE oprnamespace = 'trap'::regnamespace;

SELECT '{"facility_name": "F", "facility_map": {"Cam": "Summit", "Other": "Elsewhere"}, "fallback_instrument": "None",
  "obs_publisher_did_fmt": "ivo://x?{id}", "obs_collection": "C",
  "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id!r:>20}", "s_xel": [4096, 4000],
            "extra_columns": {"title": {"template": "{records[exposure].timespan.begin.utc.isot} {records[detector].full_name}"}}},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}", "datalink_url_fmt": "https://x/{id}"},
    "deepCoadd": {"dataproduct_type": "image", "calib_level": 3, "obs_id_fmt": "{skymap}-{tract}-{patch:03d}"}},
  "extra_columns": {"lsst_visit": {"template": "{visit}", "type": "int"}, "lsst_band": {"template": "{band}", "type": "string", "length": 32},
                    "angle": {"template": "{records[visit].zenith_angle:.3f}", "type": "float"}, "seen": {"template": "{visit}", "type": "bool"},
                    "lsst_run": {"template": "{run}"}, "fixed": 1.5, "word": "text", "s_resolution": {"template": "{visit}", "type": "float"},
                    "t_xel": {"template": "{visit}", "type": "int"}},
  "spectral_ranges": {"g": [4e-7, 5.5e-7], "r_03": [5.5e-7, null]}, "indices": {"v": "lsst_visit"}}'::jsonb AS config \gset
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN", "collections": ["Cam/.*"]}')::json, 'registry', 'of_runs');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "TAGGED", "collections": ["Cam/good"]}')::json, 'registry', 'of_tag');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "CHAINED", "collections": ["chain", "Cam/*"]}')::json, 'registry', 'of_path');
SELECT catreg.obscore_table((:'config'::jsonb || '{"collection_type": "RUN"}')::json, 'registry', 'in_parts') || ' PARTITION BY LIST (instrument_name)' \gexec
CREATE TABLE registry.other PARTITION OF registry.in_parts DEFAULT;
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN"}')::json, 'registry', 'in_parts');

-- a writer, in a session of his own in which nothing has been prepared
\c
\set VERBOSITY terse
SET client_min_messages = warning;
SET search_path = trap, pg_catalog;
INSERT INTO registry.dataset SELECT pg_catalog.md5(pg_catalog.format('%s %s %s', type, run, n))::pg_catalog.uuid, type, 0, run
    FROM (VALUES (1, 1), (2, 2), (2, 3)) t (type, run), pg_catalog.generate_series(1, 2) n;
INSERT INTO registry.dataset_tags_00000001 SELECT 1, id, run_id, 'Cam', 0, pg_catalog.row_number() OVER (ORDER BY id) FROM registry.dataset WHERE pg_catalog.int8eq(dataset_type_id, 1);
INSERT INTO registry.dataset_tags_00000002 SELECT 2, id, run_id, 'Cam', run_id, pg_catalog.row_number() OVER (ORDER BY id) FROM registry.dataset WHERE pg_catalog.int8eq(dataset_type_id, 2);
INSERT INTO registry.visit_definition SELECT 'Cam', e, e FROM pg_catalog.generate_series(1, 2) e;
INSERT INTO registry.dataset_tags_00000002 SELECT dataset_type_id, dataset_id, 4, instrument, detector, visit FROM registry.dataset_tags_00000002;
\set VERBOSITY default
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(s_ra) AS regions, (SELECT pg_catalog.count(*) FROM registry.of_tag) AS tagged,
    (SELECT pg_catalog.count(*) FROM registry.of_path) AS found, (SELECT pg_catalog.count(*) FROM registry.in_parts) AS parts FROM registry.of_runs;
UPDATE registry.visit SET target_name = 'new';
UPDATE registry.physical_filter SET band = 'i';
UPDATE registry.visit_detector_region SET region = NULL;
UPDATE registry.dataset SET ingest_date = 1;
UPDATE registry.dataset_tags_00000001 SET detector = detector;
UPDATE registry.collection SET doc = 'new';
UPDATE registry.dataset_type SET storage_class = 'new';
INSERT INTO registry.collection (name, type) VALUES ('chain', 3);
INSERT INTO registry.collection_chain SELECT collection_id, 0, 3 FROM registry.collection WHERE pg_catalog.texteq(name, 'chain');
UPDATE registry.collection_chain SET child = 2;
DELETE FROM registry.collection_chain;
DELETE FROM registry.visit_definition;
DELETE FROM registry.dataset_tags_00000002 WHERE pg_catalog.int8eq(collection_id, 4);
DELETE FROM registry.dataset WHERE pg_catalog.int8eq(run_id, 2);
TRUNCATE registry.visit_definition;
SELECT pg_catalog.count(*) AS rows, (SELECT pg_catalog.count(*) FROM registry.of_tag) AS tagged,
    (SELECT pg_catalog.count(*) FROM registry.of_path) AS found, (SELECT pg_catalog.count(*) FROM registry.in_parts) AS parts FROM registry.of_runs;

-- the owner
SELECT t, catreg.refresh_obscore(t), (SELECT pg_catalog.count(*) FROM catreg.check_obscore(t))
FROM pg_catalog.unnest('{registry.of_runs, registry.of_tag, registry.of_path, registry.in_parts}'::pg_catalog.regclass[]) t;
SELECT catreg.alter_obscore('registry.of_runs', (:'config'::pg_catalog.jsonb OPERATOR(pg_catalog.-) 'indices' OPERATOR(pg_catalog.||) '{"collection_type": "RUN", "collections": ["u/.*"]}')::pg_catalog.json);
SELECT pg_catalog.count(*) FROM registry.of_runs;
SELECT catreg.drop_obscore('registry.of_tag');

-- a Tiled catalog's nodes
CREATE SCHEMA tiled;
CREATE TABLE tiled.nodes (id int PRIMARY KEY, parent int, key varchar, structure_family varchar, metadata pg_catalog.jsonb, specs pg_catalog.jsonb);
INSERT INTO tiled.nodes VALUES (0, NULL, '', 'container', '{}', '[]'), (1, 0, 'a', 'container', '{}', '[]');
SELECT catreg.create_obscore('{"source": "tiled", "nodes": {"specs": ["x"], "subtree": "a"}, "columns": {"facility_name": "F", "calib_level": 1,
    "obs_id": {"node": "path"}, "target_name": {"metadata": "name"}, "t_min": {"metadata": "time", "unit": "unix"}, "access_url": {"template": "{url_path!r}"},
    "s_ra": {"metadata": "ra"}, "s_dec": {"metadata": "dec"}, "s_fov": {"metadata": "fov", "optional": true}},
    "extra_columns": {"n": {"metadata": "n", "type": "int"}, "short": {"node": "key", "length": 10}}}', registry => 'tiled');
INSERT INTO tiled.nodes SELECT n, 1, n::pg_catalog.text, 'container', '{"name": "x", "time": 1, "ra": 1, "dec": 2, "fov": 3, "n": 4}', '[{"name": "x"}]' FROM pg_catalog.generate_series(2, 4) n;
UPDATE tiled.nodes SET key = 'b', parent = 2 WHERE pg_catalog.int4eq(id, 3);
DELETE FROM tiled.nodes WHERE pg_catalog.int4eq(id, 4);
SELECT obs_id, t_min, s_ra, region, n, short FROM tiled.obscore;
SELECT catreg.refresh_obscore('tiled.obscore');
SELECT * FROM catreg.check_obscore('tiled.obscore');

RESET search_path;
\set VERBOSITY terse
SET client_min_messages = error;
DROP SCHEMA registry, tiled, trap CASCADE;
