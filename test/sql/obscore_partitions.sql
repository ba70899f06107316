-- A partitioned ObsCore table that is the only one of its registry: nothing that is
-- done for another has statements' changes seen.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{exposure}/{detector}"},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}/{detector}"}}}' AS config \gset
\set ECHO none
SELECT catreg.obscore_table(:'config', 'registry', 'parted') || ' PARTITION BY LIST (em_filter_name)' \gexec
\set ECHO all
CREATE TABLE registry.of_g PARTITION OF registry.parted FOR VALUES IN ('g');
CREATE TABLE registry.other PARTITION OF registry.parted DEFAULT;
SELECT catreg.create_obscore(:'config', 'registry', 'parted');
CREATE VIEW shown AS SELECT tableoid::regclass AS part, count(*), string_agg(obs_id, ' ' ORDER BY obs_id COLLATE "C") AS obs_ids,
    (SELECT count(*) FROM catreg.check_obscore('registry.parted')) AS wrong FROM registry.parted GROUP BY 1;
SELECT count(registry.put('raw', 'Cam/raw/all', d, e)) FROM generate_series(0, 1) d, generate_series(1, 4) e;
SELECT count(registry.put('calexp', 'Cam/runs/1', 0, v)) FROM generate_series(1, 4) v;
SELECT * FROM shown ORDER BY part::text;
DELETE FROM registry.dataset_tags_00000001 WHERE exposure = 1;
SELECT * FROM shown ORDER BY part::text;
DELETE FROM registry.dataset WHERE id = registry.id('calexp Cam/runs/1 0 2');
SELECT * FROM shown ORDER BY part::text;
UPDATE registry.dataset_tags_00000001 SET exposure = exposure + 2 WHERE detector = 1 AND exposure > 2;
SELECT * FROM shown ORDER BY part::text;
UPDATE registry.visit SET name = 'new', physical_filter = 'r_03' WHERE id = 1;
SELECT * FROM shown ORDER BY part::text;
UPDATE registry.physical_filter SET band = CASE band WHEN 'g' THEN 'r' ELSE 'g' END;
SELECT * FROM shown ORDER BY part::text;
UPDATE registry.dataset_tags_00000002 SET collection_id = 3 WHERE visit = 3;
UPDATE registry.collection SET name = 'u/raw' WHERE name = 'Cam/raw/all';
SELECT * FROM shown ORDER BY part::text;
UPDATE registry.collection SET name = 'Cam/raw' WHERE name = 'u/raw';
SELECT * FROM shown ORDER BY part::text;
DELETE FROM registry.collection WHERE name = 'Cam/raw';
SELECT * FROM shown ORDER BY part::text;
TRUNCATE registry.dataset_tags_00000002;
SELECT count(*) FROM registry.parted;

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
