-- What is done about tables that Citus keeps, told by its catalog alone: on a server
-- without it they are ordinary ones, and an ordinary ObsCore table says what their
-- rows are.  test/t/scale_citus.pl has the real one.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", partkey text);
CREATE UNIQUE INDEX pg_dist_partition_logical_relid_index ON pg_catalog.pg_dist_partition (logicalrelid);
RESET allow_system_table_mods;
\set config '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}}, "extra_columns": {"run": {"template": "{run}"}}, "indices": {"times": ["t_min", "t_max"]}}'

-- a table that is there is taken over
SELECT catreg.create_obscore(:'config', 'registry', 'whole');
SELECT catreg.obscore_table(:'config', 'registry', 'kept') \gexec
ALTER TABLE registry.kept ADD PRIMARY KEY (registry_dataset_id);
INSERT INTO pg_dist_partition VALUES ('registry.kept', 'h');
SELECT catreg.citus_keeps('registry.kept'), catreg.citus_keeps('registry.whole');
SELECT catreg.create_obscore(:'config', 'registry', 'kept');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'registry.kept'::regclass ORDER BY 1;

-- and kept, without what Citus does not take
CREATE VIEW same AS
    SELECT (SELECT count(*) FROM registry.whole), (SELECT count(*) FROM (SELECT w::text FROM registry.whole w EXCEPT SELECT k::text FROM registry.kept k) x) AS missing,
           (SELECT count(*) FROM (SELECT k::text FROM registry.kept k EXCEPT SELECT w::text FROM registry.whole w) x) AS wrong, (SELECT count(*) FROM catreg.check_obscore('registry.kept')) AS problems;
SELECT count(registry.put('calexp', 'Cam/runs/1', d, v)) FROM generate_series(0, 3) d, generate_series(1, 3) v;
TABLE same;
UPDATE registry.visit SET name = 'new ' || id WHERE id < 3;
TABLE same;
DELETE FROM registry.dataset_tags_00000002 WHERE detector = 1;
TABLE same;
UPDATE registry.kept SET obs_id = 'wrong' WHERE obs_id = 'new 1';
SELECT problem, count(*) FROM catreg.check_obscore('registry.kept') GROUP BY 1;
SELECT * FROM catreg.refresh_obscore('registry.kept');
TABLE same;

-- what cannot be
SELECT catreg.alter_obscore('registry.kept', :'config');
SELECT catreg.create_closure('registry.collection', 'registry.kept');
INSERT INTO pg_dist_partition VALUES ('registry.visit', 'h');
SELECT catreg.create_obscore(:'config', 'registry', 'another');
-- one of the registry's tables has become Citus's: a put goes on
ALTER TABLE registry.visit SET (fillfactor = 90);
SELECT count(registry.put('calexp', 'Cam/runs/1', 1, 4));
DELETE FROM pg_dist_partition WHERE logicalrelid = 'registry.visit'::regclass;
ALTER TABLE registry.visit RESET (fillfactor);
SELECT catreg.refresh_obscore('registry.whole'), catreg.refresh_obscore('registry.kept');
TABLE same;

DROP VIEW same;
SELECT catreg.drop_obscore('registry.kept');
SET allow_system_table_mods = on;
DROP TABLE pg_catalog.pg_dist_partition;
RESET allow_system_table_mods;
DROP SCHEMA registry CASCADE;
