-- Several ObsCore tables over one registry, with a view per instrument, for a TAP
-- service that may read the views and nothing else, and a client that may write
-- the registry and has no rights on the tables.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
INSERT INTO registry.collection (name, type) VALUES ('chain', 3);
CREATE ROLE regress_catreg_tap;
CREATE ROLE regress_catreg_client;
GRANT USAGE ON SCHEMA registry TO regress_catreg_client;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA registry TO regress_catreg_client;

SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}}}' AS config \gset
SELECT catreg.create_obscore(:'config', 'registry', 'raws');
SELECT catreg.create_obscore(replace(replace(:'config', '"RUN"', '"CHAINED"'), '"Cam/.*"', '"chain"')::json, 'registry', 'release');
SELECT catreg.create_obscore(replace(replace(:'config', '"RUN"', '"TAGGED"'), '"Cam/.*"', '"Cam/good"')::json, 'registry', 'good');

CREATE SCHEMA regress_tap;
CREATE VIEW regress_tap.cam WITH (security_barrier) AS
    SELECT dataproduct_type, calib_level, obs_id, obs_publisher_did, s_ra, s_dec, s_region, region, t_min, t_max, instrument_name
    FROM registry.release WHERE instrument_name = 'Cam';
GRANT USAGE ON SCHEMA regress_tap TO regress_catreg_tap;
GRANT SELECT ON regress_tap.cam TO regress_catreg_tap;

\echo a client that has no rights on the tables
SET ROLE regress_catreg_client;
SELECT count(registry.put('calexp', run, d, 1)) FROM (VALUES ('Cam/runs/1'), ('u/someone')) r (run), generate_series(0, 1) d;
INSERT INTO registry.collection_chain SELECT c.collection_id, 1, m.collection_id FROM registry.collection c, registry.collection m WHERE c.name = 'chain' AND m.name = 'u/someone';
INSERT INTO registry.dataset_tags_00000002 SELECT dataset_type_id, dataset_id, (SELECT collection_id FROM registry.collection WHERE name = 'Cam/good'), instrument, detector, visit
    FROM registry.dataset_tags_00000002 WHERE dataset_id = registry.id('calexp Cam/runs/1 0 1');
UPDATE registry.visit SET name = 'renamed' WHERE id = 1;
DELETE FROM registry.dataset WHERE id = registry.id('calexp u/someone 1 1');
SELECT count(*) FROM registry.release;
SELECT count(*) FROM catreg.check_obscore('registry.release');
SELECT catreg.refresh_obscore('registry.release');
SELECT catreg.alter_obscore('registry.release', :'config');
SELECT catreg.drop_obscore('registry.release');
DROP TABLE registry.release;

\echo a TAP service
SET ROLE regress_catreg_tap;
SELECT obs_id, calib_level, instrument_name FROM regress_tap.cam WHERE region OPERATOR(catreg.@>) catreg.sky_point(10.5, 5.5);
SELECT count(*) FROM registry.release;
SELECT count(*) FROM registry.visit;
DELETE FROM regress_tap.cam;
SELECT pg_catalog.has_schema_privilege('registry', 'USAGE');
RESET ROLE;
SELECT t, (SELECT count(*) FROM catreg.check_obscore(t)) AS wrong FROM unnest(ARRAY['registry.raws', 'registry.release', 'registry.good']::regclass[]) t;
SELECT (SELECT count(*) FROM registry.raws) AS raws, (SELECT count(*) FROM registry.release) AS release, (SELECT count(*) FROM registry.good) AS good;
\set ECHO none
SET client_min_messages = error;
DROP SCHEMA regress_tap, registry CASCADE;
DROP OWNED BY regress_catreg_tap, regress_catreg_client;
DROP ROLE regress_catreg_tap, regress_catreg_client;
