-- The client's own table is taken over, and given back, if it can hold what its
-- configuration says.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
SELECT '{"collection_type": "RUN", "facility_name": "F", "table_name": "obscore",
    "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}},
    "extra_columns": {"lsst_visit": {"template": "{visit}", "type": "int"}, "lsst_band": {"template": "{band}", "type": "string", "length": 8}}}' AS config \gset
SELECT FROM registry.put('calexp', 'Cam/runs/1', 0, 1);
-- as the client makes it
SELECT catreg.create_obscore(:'config', 'registry', 'model');
CREATE TABLE registry.obscore AS TABLE registry.model;
ALTER TABLE registry.obscore DROP COLUMN access_estsize, DROP COLUMN pol_states, DROP COLUMN region;
SELECT catreg.drop_obscore('registry.model');
INSERT INTO registry.butler_attributes VALUES ('config:obscore.json', :'config');

\echo not with a table that cannot hold the rows
SELECT catreg.create_obscore(registry => 'registry');
ALTER TABLE registry.obscore ADD PRIMARY KEY (registry_dataset_id), DROP COLUMN s_fov, ALTER lsst_visit TYPE int, ALTER lsst_band TYPE varchar(5), ALTER obs_id TYPE varchar(90), ALTER t_min TYPE real;
SELECT catreg.create_obscore(registry => 'registry');
SELECT count(*) FROM registry.butler_attributes WHERE name = 'config:obscore.json';
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%' AND tgrelid::regclass::text LIKE 'registry.%';

\echo a wider column will do
ALTER TABLE registry.obscore ADD COLUMN s_fov float8, ALTER lsst_visit TYPE bigint, ALTER lsst_band TYPE varchar(20), ALTER obs_id TYPE text, ALTER t_min TYPE float8;
SELECT catreg.create_obscore(registry => 'registry');
SELECT FROM registry.put('calexp', 'Cam/runs/1', 0, 2);
SELECT obs_id, lsst_visit, lsst_band FROM registry.obscore ORDER BY 1;
SELECT * FROM catreg.check_obscore('registry.obscore');

\echo given back, without what somebody has taken away
ALTER TABLE registry.obscore DROP COLUMN region;
SELECT catreg.drop_obscore('registry.obscore');
SELECT count(*) FROM registry.butler_attributes WHERE name = 'config:obscore.json';
SELECT count(*) FROM registry.obscore;

\echo no table
SELECT catreg.check_obscore(1);
SELECT catreg.drop_obscore(1);
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
