-- Tags that get another data id, dataset type or collection, many in one statement:
-- no client does that, an administrator in SQL may.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"facility_name": "F", "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{exposure}/{detector}"},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"},
    "src": {"dataproduct_type": "measurements", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"}},
  "extra_columns": {"lsst_run": {"template": "{run}"}}}'::jsonb AS config \gset
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN"}')::json, 'registry', 'of_runs');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "CHAINED", "collections": ["u/someone", "Cam/*"]}')::json, 'registry', 'of_path');
SELECT count(registry.put(type, run, d, e)) FROM (VALUES ('raw', 'Cam/raw/all'), ('calexp', 'Cam/runs/1'), ('src', 'Cam/runs/1')) t (type, run),
    generate_series(0, 3) d, generate_series(1, 3) e;
SELECT FROM registry.put('calexp', 'u/someone', 1, 1);
CREATE VIEW wrong AS SELECT * FROM catreg.check_obscore('registry.of_runs') UNION ALL SELECT * FROM catreg.check_obscore('registry.of_path');
TABLE wrong;

\echo each takes the place of the next
ALTER TABLE registry.dataset_tags_00000002 DROP CONSTRAINT dataset_tags_00000002_dataset_type_id_collection_id_instrum_key,
    ADD UNIQUE (dataset_type_id, collection_id, instrument, detector, visit) DEFERRABLE;
UPDATE registry.dataset_tags_00000002 SET detector = (detector + 1) % 4;
TABLE wrong;
UPDATE registry.dataset_tags_00000002 SET detector = 3 - detector, visit = 4 - visit;
TABLE wrong;
SELECT obs_id, lsst_run FROM registry.of_path WHERE dataproduct_type = 'image' ORDER BY calib_level DESC, obs_id COLLATE "C" LIMIT 12;

\echo by another statement for each half of it
WITH gone AS (DELETE FROM registry.dataset_tags_00000001 RETURNING *)
INSERT INTO registry.dataset_tags_00000001 SELECT dataset_type_id, dataset_id, collection_id, instrument, detector, exposure % 3 + 1 FROM gone
    ON CONFLICT (dataset_type_id, collection_id, instrument, detector, exposure) DO NOTHING;
TABLE wrong;

\echo two dataset types change places
UPDATE registry.dataset_tags_00000002 SET dataset_type_id = 6 - dataset_type_id;
TABLE wrong;
SELECT dataproduct_type, count(*), (SELECT count(*) FROM registry.of_path p WHERE p.dataproduct_type = r.dataproduct_type) FROM registry.of_runs r GROUP BY 1 ORDER BY 1;

\echo and two collections
UPDATE registry.dataset_tags_00000002 SET collection_id = 5 - collection_id;
TABLE wrong;

\echo datasets with a tag besides that of their run
INSERT INTO registry.dataset_tags_00000002 (dataset_type_id, dataset_id, collection_id, instrument, detector, visit)
    SELECT DISTINCT ON (dataset_type_id, detector, visit)
        dataset_type_id, dataset_id, (SELECT collection_id FROM registry.collection WHERE name = 'Cam/good'), instrument, detector, visit
    FROM registry.dataset_tags_00000002 WHERE visit <> 2;
UPDATE registry.dataset_tags_00000002 SET visit = visit % 3 + 1;
TABLE wrong;
UPDATE registry.dataset_tags_00000002 SET detector = 3 - detector WHERE visit = 2;
TABLE wrong;

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
DROP VIEW IF EXISTS wrong;
