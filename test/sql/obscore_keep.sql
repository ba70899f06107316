-- An ObsCore table of a Butler registry: made, and kept for every event.  After
-- each the table is what its query says, and the rows shown are what they should be.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"collection_type": "RUN", "collections": ["Cam/.*"], "facility_name": "F", "facility_map": {"Cam": "Summit"},
  "obs_publisher_did_fmt": "ivo://x?{id}", "obs_collection": "C",
  "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}", "s_xel": [4096, 4000],
            "extra_columns": {"title": {"template": "{records[exposure].timespan.begin.utc.isot} {records[detector].full_name}"}}},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}", "datalink_url_fmt": "https://x/{id}/{tract}"},
    "deepCoadd": {"dataproduct_type": "image", "calib_level": 3, "obs_id_fmt": "{skymap}-{tract}-{patch:03d}"}},
  "extra_columns": {"lsst_visit": {"template": "{visit}", "type": "int"}, "lsst_band": {"template": "{band}", "type": "string", "length": 32},
                    "lsst_run": {"template": "{run}"}, "fixed": 1.5},
  "spectral_ranges": {"g": [4e-7, 5.5e-7], "r_03": [5.5e-7, null]}, "indices": {"v": "lsst_visit"}}' AS config \gset

-- datasets from before are in it
SELECT FROM registry.put('raw', 'Cam/raw/all', 0, 1);
SELECT catreg.create_obscore(:'config', 'registry');
\d registry.obscore
SELECT * FROM registry.obscore \gx

CREATE VIEW shown AS
    SELECT calib_level AS level, obs_id, lsst_run AS run, target_name, t_min, t_exptime, em_min, em_filter_name AS band, title, round(s_ra::numeric, 6) AS s_ra
    FROM registry.obscore ORDER BY calib_level, obs_id, s_ra, title;

\echo puts
SELECT count(registry.put('raw', 'Cam/raw/all', d, e)) FROM (VALUES (1, 1), (0, 2), (1, 2)) v (d, e);
SELECT count(registry.put('calexp', 'Cam/runs/1', d, e)) FROM generate_series(0, 1) d, generate_series(1, 2) e;
SELECT FROM registry.put('src', 'Cam/runs/1', 0, 1);
SELECT FROM registry.put('calexp', 'u/someone', 0, 3);
TABLE shown;
SELECT * FROM catreg.check_obscore('registry.obscore') ORDER BY problem;

\echo visits are defined after the raws
INSERT INTO registry.visit_definition SELECT 'Cam', e, e FROM generate_series(1, 2) e;
-- the lowest visit counts
INSERT INTO registry.visit_definition VALUES ('Cam', 1, 3);
SELECT * FROM shown WHERE level = 1;

\echo records change
UPDATE registry.visit SET target_name = 'new', timespan = NULL WHERE id = 1;
UPDATE registry.exposure SET timespan = int8range(1735700000000000000, NULL) WHERE id = 1;
UPDATE registry.physical_filter SET band = 'i' WHERE name = 'g_01';
UPDATE registry.detector SET full_name = 'R_one' WHERE id = 1;
UPDATE registry.visit_detector_region SET region = registry.square(200, 0) WHERE visit = 2 AND detector = 0;
TABLE shown;
SELECT count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';

\echo what cannot be derived
UPDATE registry.visit_detector_region SET region = 'garbage' WHERE visit = 2 AND detector = 1;
SELECT level, obs_id, s_ra FROM shown WHERE obs_id IN ('Cam_2', 'visit 2');
SELECT problem, count(*) FROM catreg.check_obscore('registry.obscore') GROUP BY 1 ORDER BY 1;
UPDATE registry.visit_detector_region SET region = registry.square(30, 3) WHERE visit = 2 AND detector = 1;

\echo collections
UPDATE registry.collection SET name = 'x/gone' WHERE name = 'Cam/runs/1';
SELECT level, count(*) FROM shown GROUP BY 1 ORDER BY 1;
UPDATE registry.collection SET name = 'Cam/runs/one' WHERE name = 'x/gone';
SELECT level, run, count(*) FROM shown GROUP BY 1, 2 ORDER BY 1;
UPDATE registry.collection SET name = 'Cam/runs/two' WHERE name = 'u/someone';
SELECT level, run, count(*) FROM shown GROUP BY 1, 2 ORDER BY 1, 2;
DELETE FROM registry.collection WHERE name = 'Cam/runs/two';
SELECT level, run, count(*) FROM shown GROUP BY 1, 2 ORDER BY 1, 2;
INSERT INTO registry.collection (name, type) VALUES ('Cam/late', 1);
INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name = 'Cam/late';
SELECT FROM registry.put('calexp', 'Cam/late', 0, 2);
SELECT level, run, count(*) FROM shown GROUP BY 1, 2 ORDER BY 1, 2;

\echo a collection that was rolled back is not remembered, should another have its number
BEGIN;
INSERT INTO registry.collection (collection_id, name, type) VALUES (900, 'Cam/undone', 1);
INSERT INTO registry.run VALUES (900);
SELECT FROM registry.put('calexp', 'Cam/undone', 0, 1);
ROLLBACK;
BEGIN;
INSERT INTO registry.collection (collection_id, name, type) VALUES (900, 'other', 1), (901, 'another', 1);
INSERT INTO registry.run VALUES (900), (901);
SELECT FROM registry.put('calexp', 'other', 0, 1);
SAVEPOINT undone;
UPDATE registry.collection SET name = 'gone' WHERE collection_id = 901;
SELECT FROM registry.put('calexp', 'gone', 0, 1);
ROLLBACK TO undone;
SELECT count(*) FROM registry.obscore WHERE lsst_run IN ('Cam/undone', 'other', 'another', 'gone');
ROLLBACK;
SELECT problem, count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %' GROUP BY 1 ORDER BY 1;

\echo removals
DELETE FROM registry.dataset WHERE id = registry.id('calexp Cam/runs/1 0 1');
DELETE FROM registry.visit_definition WHERE exposure = 1;
SELECT level, count(*), count(s_ra) FROM shown GROUP BY 1 ORDER BY 1;

\echo a row that another tag holds stays, and other triggers see what goes
CREATE FUNCTION registry.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'deleted: %', OLD.obs_id; RETURN NULL; END $$;
BEGIN;
INSERT INTO registry.dataset_tags_00000002 SELECT t.dataset_type_id, t.dataset_id, c.collection_id, t.instrument, t.detector, t.visit
    FROM registry.dataset_tags_00000002 t, registry.collection c WHERE t.dataset_id = registry.id('calexp Cam/runs/1 1 1') AND c.name = 'Cam/late';
SAVEPOINT s;
DELETE FROM registry.dataset_tags_00000002 WHERE dataset_id = registry.id('calexp Cam/runs/1 1 1') AND collection_id = 2;
SELECT count(*) FROM registry.obscore WHERE registry_dataset_id = registry.id('calexp Cam/runs/1 1 1');
DELETE FROM registry.dataset_tags_00000002 WHERE dataset_id = registry.id('calexp Cam/runs/1 1 1');
SELECT count(*) FROM registry.obscore WHERE registry_dataset_id = registry.id('calexp Cam/runs/1 1 1');
ROLLBACK TO s;
CREATE TRIGGER tell AFTER DELETE ON registry.obscore FOR EACH ROW EXECUTE FUNCTION registry.tell();
DELETE FROM registry.dataset_tags_00000002 WHERE dataset_id = registry.id('calexp Cam/runs/1 1 1') AND collection_id = 2;
SELECT count(*) FROM registry.obscore WHERE registry_dataset_id = registry.id('calexp Cam/runs/1 1 1');
DELETE FROM registry.dataset_tags_00000002 WHERE dataset_id = registry.id('calexp Cam/runs/1 1 1');
SELECT count(*) FROM registry.obscore WHERE registry_dataset_id = registry.id('calexp Cam/runs/1 1 1');
ROLLBACK;
DROP FUNCTION registry.tell;

\echo a tag that is put again while it is removed, and a new version of one
CREATE FUNCTION registry.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO registry.dataset_tags_00000002 SELECT OLD.*; RETURN NULL; END $$;
CREATE TRIGGER again AFTER DELETE ON registry.dataset_tags_00000002 FOR EACH ROW WHEN (OLD.detector = 0) EXECUTE FUNCTION registry.again();
BEGIN;
SELECT detector, count(*) FROM registry.dataset_tags_00000002 WHERE dataset_type_id = 2 GROUP BY 1 ORDER BY 1;
DELETE FROM registry.dataset_tags_00000002;
SELECT lsst_visit, count(*) FROM registry.obscore WHERE calib_level = 2 GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';
UPDATE registry.dataset_tags_00000002 SET detector = detector;
SELECT lsst_visit, count(*) FROM registry.obscore WHERE calib_level = 2 GROUP BY 1 ORDER BY 1;
DROP TRIGGER again ON registry.dataset_tags_00000002;
DELETE FROM registry.collection WHERE name LIKE 'Cam/%';
SELECT count(*) FROM registry.obscore;
SELECT count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';
ROLLBACK;
DROP FUNCTION registry.again CASCADE;

\echo many at a time, and rolled back
BEGIN;
INSERT INTO registry.dataset SELECT registry.id(format('many %s %s', d, p)), 3, 0, 2 FROM unnest('{g,r,i,z,y,u}'::text[]) d, generate_series(0, 3) p;
INSERT INTO registry.dataset_tags_00000003 SELECT 3, registry.id(format('many %s %s', b, p)), 2, b, 'sky', 1, p FROM unnest('{g,r,i,z,y,u}'::text[]) b, generate_series(0, 3) p;
SELECT level, count(*), count(s_ra), min(obs_id), min(em_min) FROM shown GROUP BY 1 ORDER BY 1;
UPDATE registry.patch SET region = registry.square(50, 50) WHERE id = 2;
SELECT level, count(*) FROM shown WHERE s_ra > 49 GROUP BY 1;
SAVEPOINT s;
DELETE FROM registry.dataset_tags_00000003 WHERE band = 'g';
SELECT level, count(*) FROM shown GROUP BY 1 ORDER BY 1;
ROLLBACK TO s;
SELECT level, count(*) FROM shown GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';
ROLLBACK;
SELECT level, count(*) FROM shown GROUP BY 1 ORDER BY 1;

\echo a dataset type that comes later, with a table of its own
CREATE TABLE registry.dataset_tags_00000004 (LIKE registry.dataset_tags_00000002 INCLUDING ALL);
INSERT INTO registry.dimension_graph_key VALUES (4);
SELECT catreg.create_obscore('{"collection_type": "TAGGED", "collections": ["Cam/good"], "facility_name": "F",
  "dataset_types": {"late": {"dataproduct_type": "cube", "calib_level": 2, "obs_id_fmt": "{run}/{detector}"}, "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{run}/{detector}"}}}',
  'registry', 'good');
INSERT INTO registry.dimension_graph_definition VALUES (4, 'instrument'), (4, 'detector'), (4, 'visit');
INSERT INTO registry.dataset_type (name, storage_class, dimensions_key, tag_association_table) VALUES ('late', 'X', 4, 'dataset_tags_00000004');
SELECT FROM registry.put('late', 'Cam/late', 2, 2);
INSERT INTO registry.dataset_tags_00000004 SELECT dataset_type_id, dataset_id, 4, instrument, detector, visit FROM registry.dataset_tags_00000004;
INSERT INTO registry.dataset_tags_00000002 SELECT dataset_type_id, dataset_id, 4, instrument, detector, visit FROM registry.dataset_tags_00000002 WHERE dataset_type_id = 2 AND detector = 1 AND visit = 1;
SELECT dataproduct_type, obs_id FROM registry.good ORDER BY 1;
-- another dataset takes its place
INSERT INTO registry.dataset VALUES (registry.id('other'), 2, 0, 5);
INSERT INTO registry.dataset_tags_00000002 VALUES (2, registry.id('other'), 4, 'Cam', 1, 1)
    ON CONFLICT (dataset_type_id, collection_id, instrument, detector, visit) DO UPDATE SET dataset_id = excluded.dataset_id;
SELECT dataproduct_type, obs_id FROM registry.good ORDER BY 1;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id = 4;
SELECT dataproduct_type, obs_id FROM registry.good ORDER BY 1;
-- two tags of one dataset go, and between them one of another, which is in a collection that has to be looked up
BEGIN;
DELETE FROM registry.dataset_tags_00000002;
INSERT INTO registry.collection (name, type) VALUES ('x/other', 2);
INSERT INTO registry.dataset_tags_00000002
    SELECT 2, registry.id(format('calexp Cam/runs/1 %s 2', d)), (SELECT collection_id FROM registry.collection WHERE name = c), 'Cam', d, 2
    FROM (VALUES (1, 0, 'Cam/runs/one'), (2, 1, 'Cam/runs/one'), (3, 1, 'x/other'), (4, 1, 'Cam/good'), (5, 0, 'Cam/good')) v (n, d, c) ORDER BY n;
SELECT count(*) FROM registry.good WHERE calib_level = 2;
UPDATE registry.collection SET name = name;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id <> (SELECT collection_id FROM registry.collection WHERE name = 'x/other');
SELECT count(*) FROM registry.good;
ROLLBACK;
TRUNCATE registry.dataset_tags_00000004;
SELECT count(*) FROM registry.good;

\echo rows that are wrong
UPDATE registry.obscore SET target_name = 'wrong', fixed = 2 WHERE calib_level = 2 AND lsst_run = 'Cam/late';
DELETE FROM registry.obscore WHERE calib_level = 1 AND s_ra IS NULL;
SELECT problem, count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %' GROUP BY 1 ORDER BY 1;
SELECT * FROM catreg.refresh_obscore('registry.obscore');
SELECT count(*) FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';
SELECT name, kind, source, triggers, last_refresh IS NOT NULL AS refreshed FROM catreg.status WHERE kind = 'obscore' ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT obs_id FROM registry.obscore WHERE region OPERATOR(catreg.@>) catreg.sky_point(10, 5);

\echo a put does not fail because of the table
ALTER TABLE registry.obscore ADD CHECK (lsst_visit < 3);
SELECT FROM registry.put('calexp', 'Cam/late', 3, 3);
SELECT count(*) FROM registry.obscore WHERE lsst_visit = 3;
SELECT problem FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';

\echo gone
DROP VIEW shown;
ALTER TABLE registry.obscore RENAME TO renamed;
SELECT FROM registry.put('calexp', 'Cam/late', 3, 2);
SELECT count(*) FROM registry.renamed WHERE lsst_run = 'Cam/late';
DROP TABLE registry.renamed;
SELECT catreg.drop_obscore('registry.good');
SELECT obscore FROM catreg.obscore;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%' AND tgrelid::regclass::text LIKE 'registry.%';
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
