-- Datasets with tags in several runs, which no client makes and the tables allow for:
-- each has one row, that of its own run, or else of the first.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
INSERT INTO registry.collection (name, type) VALUES ('Cam/runs/2', 1);
INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name = 'Cam/runs/2';
CREATE FUNCTION registry.tag(dataset text, run text, detector bigint, visit bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.dataset_tags_00000002
    SELECT 2, registry.id(dataset), collection_id, 'Cam', detector, visit FROM registry.collection WHERE name = run $$;
CREATE FUNCTION registry.make(name text) RETURNS regclass LANGUAGE sql AS $$
    SELECT catreg.create_obscore('{"collection_type": "RUN", "collections": ["Cam/runs/.*"], "facility_name": "F",
        "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}},
        "extra_columns": {"lsst_run": {"template": "{run}"}}}', 'registry', name) $$;
\set ECHO all
RESET search_path;
SELECT registry.make('obscore');
CREATE VIEW wrong AS SELECT 'obscore' AS in, * FROM catreg.check_obscore('registry.obscore');
CREATE VIEW shown AS SELECT obs_id, lsst_run, count(*) FROM registry.obscore GROUP BY 1, 2 ORDER BY 1, 2;

\echo the own run is the first, or the other, or does not count
SELECT FROM registry.put('calexp', 'Cam/runs/1', 0, 1);
SELECT FROM registry.put('calexp', 'Cam/runs/2', 0, 2);
SELECT FROM registry.put('calexp', 'u/someone', 0, 3);
SELECT FROM registry.tag('calexp Cam/runs/1 0 1', 'Cam/runs/2', 0, 1);
SELECT FROM registry.tag('calexp Cam/runs/2 0 2', 'Cam/runs/1', 0, 2);
SELECT FROM registry.tag('calexp u/someone 0 3', 'Cam/runs/2', 0, 3);
SELECT FROM registry.tag('calexp u/someone 0 3', 'Cam/runs/1', 0, 3);
TABLE shown;
TABLE wrong;
SELECT * FROM catreg.refresh_obscore('registry.obscore');

\echo all are made again
UPDATE registry.visit SET name = 'v ' || id;
DELETE FROM registry.obscore;
SELECT * FROM catreg.refresh_obscore('registry.obscore');
TABLE shown;
TABLE wrong;

\echo other tables of the registry
SELECT registry.make('other');
SELECT * FROM catreg.check_obscore('registry.other');
SELECT catreg.alter_obscore('registry.other', (SELECT jsonb_set(config::jsonb, '{indices}', '{"i": "lsst_run"}')::json FROM catreg.obscore WHERE obscore = 'registry.other'::regclass));
SELECT * FROM catreg.check_obscore('registry.other');
SELECT count(*), count(DISTINCT registry_dataset_id) FROM registry.other;

\echo a tag goes
DELETE FROM registry.dataset_tags_00000002 t USING registry.collection c WHERE c.collection_id = t.collection_id AND c.name = 'Cam/runs/1';
TABLE shown;
TABLE wrong;
DELETE FROM registry.collection WHERE name = 'Cam/runs/2';
TABLE shown;
TABLE wrong;

\echo two tags in one statement, few and many
INSERT INTO registry.collection (name, type) VALUES ('Cam/runs/3', 1);
INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name = 'Cam/runs/3';
INSERT INTO registry.detector SELECT 'Cam', d, d, 'SCIENCE' FROM generate_series(10, 800) d;
INSERT INTO registry.dataset SELECT registry.id(d::text), 2, 0, collection_id FROM generate_series(10, 800) d, registry.collection WHERE name = 'Cam/runs/3';
INSERT INTO registry.dataset_tags_00000002 SELECT 2, registry.id(d::text), collection_id, 'Cam', d, 1
    FROM generate_series(10, 800) d, registry.collection WHERE name LIKE 'Cam/runs/%' AND d < 20;
TABLE shown;
INSERT INTO registry.dataset_tags_00000002 SELECT 2, registry.id(d::text), collection_id, 'Cam', d, 1
    FROM generate_series(10, 800) d, registry.collection WHERE name LIKE 'Cam/runs/%' AND d >= 20;
TABLE shown;
TABLE wrong;
SELECT * FROM catreg.check_obscore('registry.other');
DROP VIEW shown, wrong;
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
