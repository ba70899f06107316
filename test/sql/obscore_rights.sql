-- Whoever has no rights gets none by ObsCore tables.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
SELECT '{"collection_type": "RUN", "facility_name": "F", "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1}}}' AS config \gset
SELECT catreg.create_obscore(:'config', 'registry');
CREATE ROLE catreg_test_reader;
CREATE SCHEMA readers AUTHORIZATION catreg_test_reader;
GRANT USAGE, CREATE ON SCHEMA registry TO catreg_test_reader;
GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA registry TO catreg_test_reader;

\echo a reader has no table kept, whose triggers writers would fire
SET ROLE catreg_test_reader;
CREATE TABLE readers.own (LIKE registry.obscore, PRIMARY KEY (registry_dataset_id));
CREATE FUNCTION readers.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'executed'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER tell AFTER INSERT ON readers.own DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION readers.tell();
SELECT catreg.obscore_define('readers.own', 'registry', :'config', true, NULL);
SELECT catreg.create_obscore(:'config', 'registry', 'own');
SELECT catreg.obscore_define('readers.own', 'readers', :'config', true, NULL);
SELECT catreg.obscore_define('readers.own', NULL, :'config', true, NULL);

\echo nor does it change the table of others
SELECT catreg.obscore_undefine('registry.obscore');
SELECT catreg.obscore_define('registry.obscore', 'readers', :'config', true, NULL);
SELECT catreg.refresh_obscore('registry.obscore');
SELECT catreg.alter_obscore('registry.obscore', :'config');
SELECT catreg.drop_obscore('registry.obscore');
SELECT catreg.obscore_fill('registry.obscore');
SELECT catreg.obscore_fill_from('registry.obscore', 'registry.obscore');
SELECT catreg.obscore_catch_up('registry.obscore', 'registry.obscore');
SELECT catreg.obscore_clear_journal('registry.obscore');
SELECT catreg.obscore_begin_alter('registry.obscore');
SELECT catreg.obscore_refreshed('registry.obscore');
DELETE FROM catreg.obscore;
INSERT INTO catreg.obscore_collection VALUES ('registry.obscore', 0, '1');
INSERT INTO catreg.obscore_journal VALUES (1, 1, 1, '{}');
RESET ROLE;
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 1);
SELECT obscore FROM catreg.obscore;
SELECT count(*) FROM registry.obscore;

SET client_min_messages = error;
DROP SCHEMA registry, readers CASCADE;
DROP ROLE catreg_test_reader;
