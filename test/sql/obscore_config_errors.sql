-- Configurations that catreg.create_obscore() refuses: each error names the place,
-- and nothing is written.  The unit tests of the reader know more of them; here
-- are those of each kind, and what only the server can find wrong.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
\set SHOW_CONTEXT never

CREATE TABLE base AS SELECT '{"collection_type": "RUN", "facility_name": "F", "dataset_types": {
  "raw": {"dataproduct_type": "image", "calib_level": 1}, "calexp": {"dataproduct_type": "image", "calib_level": 2}}}'::jsonb AS config;
-- everything that create_obscore() may leave
CREATE VIEW made AS
    SELECT 'relation' AS kind, relname::text AS name FROM pg_class WHERE relnamespace = 'registry'::regnamespace
    UNION ALL SELECT 'trigger', tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'registry'::regnamespace AND NOT tgisinternal
    UNION ALL SELECT 'definition', obscore::text FROM catreg.obscore
    UNION ALL SELECT 'attribute', a.name FROM registry.butler_attributes a;
CREATE TABLE before AS TABLE made;

-- the text of a configuration, the error that it is
CREATE FUNCTION refused(config text, name text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text;
BEGIN
    PERFORM catreg.drop_obscore(catreg.create_obscore(config::json, 'registry', name));
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, NULLIF(detail, ''), NULLIF(hint, ''));
END
$$;
-- the base with some of its keys, or some of those of dataset type raw, in another way
CREATE FUNCTION changed(changes jsonb) RETURNS text LANGUAGE sql AS $$ SELECT refused((config || changes)::text) FROM base $$;
CREATE FUNCTION raw(changes jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT refused(jsonb_set(config, '{dataset_types,raw}', config #> '{dataset_types,raw}' || changes)::text) FROM base $$;
CREATE FUNCTION without(VARIADIC path text[]) RETURNS text LANGUAGE sql AS $$ SELECT refused((config #- path)::text) FROM base $$;
\pset format unaligned
\pset tuples_only on

\echo not a JSON object
SELECT catreg.create_obscore('{"facility_name": ', 'registry');
SELECT refused(v) FROM unnest(ARRAY['[]', '7', 'null', 'true', '"obscore"', '{}']) v;
SELECT refused('{"dataset_types": ' || repeat('[', 5000) || repeat(']', 5000) || '}');
SELECT refused('{"facility_name": "' || repeat('F', 100) || '", "collections": ' || repeat('[', 40) || repeat(']', 40) || '}');
SELECT refused('{"facility_name": "a\u0000b"}');
SELECT refused('{"facility_name": "F", "dataset_types": {"a\u0000b": {}}}');
SELECT refused('{"facility_name": "\ud83d"}');
SELECT refused('{"facility_name": "\udc00\ud83d"}');
SELECT refused('{"facility_name": 1e999}');
-- json-c says more or less of it
SELECT left(refused('{"version": 123456789012345678901234567890}'), 47) AS refused;
SELECT refused('{"facility_name": "F", "facility_name": "G"}');
SELECT refused('{"facility_name": "F", "dataset_types": {"raw": {"calib_level": 1, "calib_\u006cevel": 2}}}');

\echo keys
SELECT changed('{"facility": "F"}');
SELECT changed('{"Facility_Name": "F"}');
SELECT raw('{"obs_id_format": "x"}');
SELECT raw('{"extra_columns": {"a": {"template": "x", "width": 7}}}');
SELECT without('facility_name');
SELECT without('dataset_types');
SELECT without('collection_type');
SELECT without('dataset_types', 'raw', 'calib_level');
SELECT changed('{"facility_name": null}');
SELECT raw('{"extra_columns": {"a": {"type": "int"}}}');

\echo values
SELECT changed('{"facility_name": 7}');
SELECT changed('{"facility_map": ["Cam", "F"]}');
SELECT changed('{"facility_map": {"Cam": 1}}');
SELECT changed('{"dataset_types": []}');
SELECT changed('{"dataset_types": {"raw": "image"}}');
SELECT changed('{"dataset_types": {"": {}}}');
SELECT raw('{"calib_level": "1"}');
SELECT raw('{"calib_level": 1.5}');
SELECT raw('{"calib_level": 40000}');
SELECT raw('{"s_xel": [1]}');
SELECT raw('{"s_xel": [1, "2"]}');
SELECT raw('{"s_xel": [1, 2147483648]}');
SELECT raw('{"extra_columns": {"a": []}}');
SELECT raw('{"dataproduct_subtype": 1.5}');
SELECT raw('{"extra_columns": {"a": {"template": "x", "type": "double"}}}');
SELECT raw('{"extra_columns": {"a": {"template": "x", "length": 0}}}');
SELECT changed('{"spectral_ranges": {"g": [4e-7]}}');
SELECT changed('{"spectral_ranges": {"g": [4e-7, "5e-7"]}}');
SELECT changed('{"spatial_plugins": {"x": {"cls": "my.Plugin"}}}');
SELECT changed('{"where": {"where": "visit > 7"}}');

\echo collections
SELECT changed('{"collection_type": "CALIBRATION", "collections": ["a"]}');
SELECT changed('{"collection_type": "TAGGED"}');
SELECT changed('{"collection_type": "TAGGED", "collections": []}');
SELECT changed('{"collection_type": "TAGGED", "collections": ["a", "b"]}');
SELECT changed('{"collections": "Cam/raw/all"}');
SELECT changed('{"collections": ["Cam/raw/all", 7]}');
SELECT changed('{"collections": ["Cam/.*", "+run"]}');
SELECT changed('{"collections": ["Cam/(raw"]}');
-- what Python takes, and PostgreSQL has nothing for
SELECT changed('{"collections": ["Cam/(?P<a>x)(?(a)y|z)"]}');
SELECT changed('{"collections": ["(?i:cam)/raw"]}');
SELECT changed('{"collections": ["Cam/.*", "Cam/(a|b)\\1+(?<!x)\\1{2,99999}"]}');

\echo columns
SELECT changed('{"extra_columns": {"s_ra": 1}}');
SELECT changed('{"extra_columns": {"registry_dataset_id": "x"}}');
SELECT changed('{"extra_columns": {"region": "x"}}');
SELECT changed('{"extra_columns": {"xmin": "x"}}');
SELECT changed('{"extra_columns": {"": "x"}}');
SELECT changed(jsonb_build_object('extra_columns', jsonb_build_object(repeat('x', 64), 1)));
SELECT changed(jsonb_build_object('extra_columns', jsonb_build_object(repeat('é', 32), 1)));
SELECT changed('{"table_name": ""}');
SELECT changed(jsonb_build_object('table_name', repeat('t', 64)));
SELECT refused(config::text, repeat('t', 64)) FROM base;
SELECT refused(config::text, '') FROM base;
SELECT changed('{"extra_columns": {"calib_level": 40000}}');
SELECT changed('{"extra_columns": {"t_xel": 1.5}}');
SELECT raw('{"extra_columns": {"em_min": "blue"}}');
SELECT changed('{"dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "extra_columns": {"a": 1}},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "extra_columns": {"a": "b"}}}}');
SELECT changed('{"spatial_plugins": {"p": {"cls": "lsst.daf.butler.registry.obscore.pgsphere.PgSphereObsCorePlugin", "config": {"region_column": "s_region"}}}}');
SELECT changed('{"indices": {"i": "lsst_visit"}}');
SELECT changed('{"indices": {"i": ["obs_id", "lsst_visit"]}}');
SELECT changed('{"indices": {"i": ["obs_id", "t_min"], "j": "obs_id", "k": ["obs_id", "t_min"]}}');
SELECT changed('{"indices": {"i": "region"}}');
SELECT changed('{"indices": {"i": []}}');
SELECT changed('{"indices": {"i": 7}}');
SELECT changed('{"indices": ["obs_id"]}');

\echo templates
SELECT raw('{"obs_id_fmt": "{visit"}');
SELECT raw('{"obs_id_fmt": "visit}"}');
SELECT raw('{"obs_id_fmt": "{}"}');
SELECT raw('{"obs_id_fmt": "{0}"}');
SELECT raw('{"obs_id_fmt": "{exposure!x}"}');
SELECT raw('{"obs_id_fmt": "{exposure:{detector}}"}');
SELECT raw('{"obs_id_fmt": "{exposure:q}"}');
SELECT raw('{"obs_id_fmt": "{instrument:d}"}');
SELECT raw('{"obs_id_fmt": "{records}"}');
SELECT raw('{"obs_id_fmt": "{records.exposure}"}');
SELECT raw('{"obs_id_fmt": "{records[exposure][obs_id]}"}');
SELECT raw('{"obs_id_fmt": "{records[exposure].name}"}');
SELECT raw('{"obs_id_fmt": "{records[exposure].timespan.middle}"}');
SELECT raw('{"obs_id_fmt": "{records[exposure].obs_id.upper}"}');
SELECT raw('{"datalink_url_fmt": "https://x/{id.version}"}');
SELECT raw('{"extra_columns": {"a.b": {"template": "{exposure"}}}');
SELECT changed('{"obs_publisher_did_fmt": "ivo://x?{id"}');
-- of a dataset type that the registry does not have
SELECT changed('{"dataset_types": {"later": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{visit"}}}');
SELECT changed('{"dataset_types": {"later": {"dataproduct_type": "image", "calib_level": 1, "extra_columns": {"a": {"template": "{visit!}"}}}}}');

\echo the registry
SELECT catreg.create_obscore((SELECT config::json FROM base), 'public');
SELECT catreg.create_obscore((SELECT config::json FROM base), NULL);
SELECT catreg.create_obscore(NULL, 'registry');
SELECT catreg.create_obscore(NULL, 'registry', 'name');
-- a table that is there
SELECT changed('{"table_name": "visit"}');

\echo nothing is left of all that
(TABLE made EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE made);

\echo no errors: keys that mean nothing, types and collections that are not there, keys that a data id lacks
SELECT catreg.create_obscore((config || '{"use_butler_uri": true, "batch_size": 7, "collections": ["nowhere/.*"],
    "dataset_types": {"nothing": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[nothing].x}"},
                      "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{tract}", "extra_columns": {"a": {"template": "{records[tract].id}"}}}}}')::json,
    'registry', 'one') FROM base;
SELECT catreg.create_obscore((config || '{"collection_type": "TAGGED", "collections": ["nowhere"]}')::json, 'registry', 'two') FROM base;
SELECT catreg.create_obscore((config || '{"collections": [], "indices": null, "dataset_types": {}}')::json, 'registry', 'three') FROM base;
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 1);
SELECT (SELECT count(*) FROM registry.one), (SELECT count(*) FROM registry.two), (SELECT count(*) FROM registry.three);
SELECT catreg.drop_obscore(o) FROM unnest(ARRAY['registry.one', 'registry.two', 'registry.three']::regclass[]) o;

\echo an integer that the column does not hold is NULL, and listed
SELECT catreg.create_obscore((config || '{"extra_columns": {"calib_level": {"template": "{exposure}0000000000"}, "t_xel": {"template": "{exposure}00000000000"},
    "em_xel": {"template": "{exposure}"}, "pol_xel": {"template": "{exposure}000000000000000000000"}}}')::json, 'registry') FROM base;
SELECT calib_level, t_xel, em_xel, pol_xel FROM registry.obscore;
SELECT problem FROM catreg.check_obscore('registry.obscore') ORDER BY 1;
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 2);
SELECT calib_level, t_xel, em_xel, pol_xel FROM registry.obscore ORDER BY em_xel;

\set ECHO none
SET client_min_messages = error;
SELECT catreg.drop_obscore('registry.obscore');
DROP SCHEMA registry CASCADE;
DROP VIEW IF EXISTS made;
DROP TABLE before, base;
DROP FUNCTION refused, changed, raw, without;
