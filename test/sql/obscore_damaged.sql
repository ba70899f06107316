-- Whatever happens to the registry or to an ObsCore table: a client's statement is
-- executed, and the other tables are kept.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"}}}' AS config \gset
SELECT catreg.create_obscore(:'config', 'registry', 'one');
SELECT catreg.create_obscore(:'config', 'registry', 'two');
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 1);

\echo the universe is damaged
SELECT value AS universe FROM registry.butler_attributes WHERE name = 'config:dimensions.json' \gset
UPDATE registry.butler_attributes SET value = '{"elements": 1}' WHERE name = 'config:dimensions.json';
\c -
SET client_min_messages = warning;
\set VERBOSITY default
SELECT FROM registry.put('raw', 'Cam/raw/all', 1, 1);
\set VERBOSITY terse
INSERT INTO registry.dataset_type (name, storage_class, dimensions_key, tag_association_table) SELECT 'later', storage_class, dimensions_key, tag_association_table FROM registry.dataset_type WHERE name = 'raw';
DELETE FROM registry.dataset_type WHERE name = 'later';
SELECT catreg.check_obscore('registry.one');
SELECT name, triggers FROM catreg.status WHERE kind = 'obscore' ORDER BY name::text;
UPDATE registry.butler_attributes SET value = :'universe' WHERE name = 'config:dimensions.json';
SELECT count(*) FROM registry.dataset;
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 2);
SELECT catreg.refresh_obscore('registry.one'), catreg.refresh_obscore('registry.two');

\echo one table is damaged
ALTER TABLE registry.one DROP COLUMN facility_name;
SELECT FROM registry.put('raw', 'Cam/raw/all', 1, 2);
SELECT count(*) FROM registry.two;
SELECT count(*) FROM catreg.check_obscore('registry.two');
SELECT catreg.check_obscore('registry.one');
SELECT catreg.drop_obscore('registry.one');
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 3);
SELECT count(*) FROM registry.two;

\echo its configuration is one that this version does not read
UPDATE catreg.obscore SET config = '{"collection_type": "SOME"}';
SELECT FROM registry.put('raw', 'Cam/raw/all', 1, 3);
SELECT count(*) FROM registry.dataset;
DROP TABLE registry.two;
SELECT count(*) FROM catreg.obscore;
\set ECHO none
DROP SCHEMA registry CASCADE;
