-- Datasets put one by one in one transaction, whose plan is left standing: what else
-- the transaction does meanwhile.  After each step no row may be wrong.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT FROM catreg.create_obscore('{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F",
  "dataset_types": {"raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id} {records[detector].full_name}"},
                    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name} {records[detector].full_name}"}},
  "extra_columns": {"lsst_band": {"template": "{band}"}, "lsst_run": {"template": "{run}"}}}', 'registry');
-- puts for each exposure or visit one dataset with this detector, each in a statement of its own
CREATE FUNCTION put_all(type text, detector int) RETURNS TABLE (n bigint, rows bigint, wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR other IN 1 .. 3 LOOP
        PERFORM registry.put(type, CASE type WHEN 'raw' THEN 'Cam/raw/all' ELSE 'Cam/runs/1' END, detector, other);
    END LOOP;
    RETURN QUERY SELECT (SELECT count(*) FROM registry.dataset), (SELECT count(*) FROM registry.obscore), (SELECT count(*) FROM catreg.check_obscore('registry.obscore'));
END
$$;

BEGIN;
SELECT * FROM put_all('calexp', 0);
\echo what this transaction changes is seen
UPDATE registry.visit SET target_name = 'new', name = 'new ' || id;
UPDATE registry.visit_detector_region SET region = registry.square(50, 0);
INSERT INTO registry.detector VALUES ('Cam', 4, 'R_four', 'SCIENCE');
SELECT * FROM put_all('calexp', 1);
SELECT * FROM put_all('calexp', 4);
SELECT * FROM put_all('raw', 1);
SELECT obs_id, target_name, round(s_ra) AS s_ra FROM registry.obscore ORDER BY calib_level, obs_id;
\echo what it alters
ALTER TABLE registry.visit ALTER name TYPE varchar(100);
SELECT * FROM put_all('calexp', 2);
ALTER TABLE registry.obscore ADD added int DEFAULT 7;
CREATE INDEX obscore_added ON registry.obscore (lsst_run, added);
DROP INDEX registry.obscore_region_idx;
SELECT * FROM put_all('raw', 2);
SET enable_seqscan = off;
SELECT count(*) FROM registry.obscore WHERE lsst_run = 'Cam/raw/all' AND added = 7;
RESET enable_seqscan;
ALTER TABLE registry.obscore DROP added;
CLUSTER registry.detector USING detector_pkey;
SELECT * FROM put_all('raw', 4);
\echo savepoints, rolled back after puts and in their midst
SAVEPOINT a;
SELECT * FROM put_all('calexp', 3);
ROLLBACK TO a;
SELECT * FROM put_all('calexp', 3);
SAVEPOINT b;
ALTER TABLE registry.obscore ADD CHECK (obs_id <> 'Cam_2 R3');
SELECT * FROM put_all('raw', 3);
ALTER TABLE registry.obscore DROP CONSTRAINT obscore_obs_id_check;
SELECT * FROM put_all('raw', 0);
ROLLBACK TO b;
SELECT * FROM put_all('raw', 3);
ROLLBACK TO a;
\echo a trigger on the table
CREATE FUNCTION registry.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'inserted: %', NEW.obs_id; RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON registry.obscore FOR EACH ROW EXECUTE FUNCTION registry.tell();
SELECT * FROM put_all('calexp', 3);
DROP TRIGGER tell ON registry.obscore;
SELECT * FROM put_all('raw', 3);
\echo rows that are there already
DELETE FROM registry.dataset;
SELECT count(registry.put('calexp', 'Cam/runs/1', 0, v)) FROM generate_series(1, 2) v;
INSERT INTO registry.obscore (registry_dataset_id, obs_id) VALUES (registry.id('calexp Cam/runs/1 0 3'), 'wrong');
SELECT FROM registry.put('calexp', 'Cam/runs/1', 0, 3);
SELECT obs_id FROM registry.obscore ORDER BY 1;
\echo the table goes, and another comes
SELECT FROM catreg.drop_obscore('registry.obscore');
SELECT count(registry.put('calexp', 'Cam/runs/1', 1, v)) FROM generate_series(1, 3) v;
SELECT FROM catreg.create_obscore('{"collection_type": "RUN", "facility_name": "F",
  "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"}}}', 'registry');
SELECT * FROM put_all('calexp', 2);
SELECT obs_id FROM registry.obscore ORDER BY 1;
ROLLBACK;

\echo many, so that the plan is made again, with a statement between that has nothing to stand on
BEGIN;
INSERT INTO registry.visit SELECT 'Cam', v, day_obs, physical_filter, 'visit ' || v FROM registry.visit, generate_series(100, 1600) v WHERE id = 1;
SELECT count(registry.put('calexp', 'Cam/runs/1', 0, v)) FROM generate_series(100, 1600) v;
DECLARE c CURSOR FOR SELECT count(*) FROM registry.obscore, registry.visit;
FETCH c;
SELECT count(registry.put('calexp', 'Cam/runs/1', 1, v)) FROM generate_series(100, 200) v;
CLOSE c;
ALTER TABLE registry.obscore ADD CHECK (obs_id <> 'visit 205 R1');
SELECT count(registry.put('calexp', 'Cam/runs/1', 1, v)) FROM generate_series(201, 210) v;
SELECT (SELECT count(*) FROM registry.obscore) AS rows, (SELECT count(*) FROM catreg.check_obscore('registry.obscore')) AS wrong;
COMMIT;
DROP FUNCTION put_all;
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
