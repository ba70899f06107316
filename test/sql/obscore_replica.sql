-- A registry that logical replication writes: row triggers at most, and the tables
-- are kept when the transaction commits. A session in that role is the same.
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
    "late": {"dataproduct_type": "image", "calib_level": 3, "obs_id_fmt": "{visit}/{detector}"}},
  "extra_columns": {"lsst_run": {"template": "{run}"}}}'::jsonb AS config \gset
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN"}')::json, 'registry', 'of_runs');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "CHAINED", "collections": ["u/someone", "Cam/*"]}')::json, 'registry', 'of_path');
CREATE VIEW wrong AS SELECT * FROM catreg.check_obscore('registry.of_runs') UNION ALL SELECT * FROM catreg.check_obscore('registry.of_path');
CREATE VIEW counts AS SELECT (SELECT count(*) FROM registry.of_runs) AS of_runs, (SELECT count(*) FROM registry.of_path) AS of_path, (SELECT count(*) FROM wrong) AS wrong;

SELECT DISTINCT tgenabled, tgfoid::regproc FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE c.relnamespace = 'registry'::regnamespace AND tgname LIKE 'catreg_obscore%' ORDER BY 2;

\echo puts, when the transaction commits
SET session_replication_role = replica;
BEGIN;
SELECT count(registry.put(type, run, d, e)) FROM (VALUES ('raw', 'Cam/raw/all'), ('calexp', 'Cam/runs/1')) t (type, run),
    generate_series(0, 3) d, generate_series(1, 3) e;
SELECT of_runs FROM counts;
COMMIT;
TABLE counts;

\echo what one statement does and another undoes
BEGIN;
SELECT FROM registry.put('calexp', 'u/someone', 1, 1);
CREATE TEMP TABLE gone AS SELECT * FROM registry.dataset_tags_00000002 WHERE detector = 2;
DELETE FROM registry.dataset_tags_00000002 WHERE detector = 2;
INSERT INTO registry.dataset_tags_00000002 SELECT * FROM gone WHERE visit > 1;
DELETE FROM registry.dataset_tags_00000001 WHERE detector = 0;
UPDATE registry.dataset_tags_00000001 SET detector = 0 WHERE detector = 3;
SAVEPOINT s;
DELETE FROM registry.dataset_tags_00000001;
ROLLBACK TO s;
COMMIT;
TABLE counts;

\echo records, and a chain
BEGIN;
UPDATE registry.visit SET target_name = 'else' WHERE id = 2;
DELETE FROM registry.dataset_tags_00000002 USING registry.collection c WHERE c.collection_id = dataset_tags_00000002.collection_id AND c.name = 'u/someone';
UPDATE registry.collection SET name = 'v/someone' WHERE name = 'u/someone';
UPDATE registry.collection SET name = 'Cam/runs/one' WHERE name = 'Cam/runs/1';
COMMIT;
TABLE counts;
SELECT lsst_run, count(*) FROM registry.of_path GROUP BY 1 ORDER BY 1;
BEGIN;
DELETE FROM registry.dataset_tags_00000002;
ROLLBACK;
TABLE counts;

\echo a dataset type that comes later, whose tags table has been made here
CREATE TABLE registry.dataset_tags_00000009 (LIKE registry.dataset_tags_00000002 INCLUDING ALL);
INSERT INTO registry.dataset_type (id, name, storage_class, dimensions_key, tag_association_table)
    SELECT 90, 'late', storage_class, dimensions_key, 'dataset_tags_00000009' FROM registry.dataset_type WHERE name = 'calexp';
SELECT count(registry.put('late', 'Cam/runs/one', d, 1)) FROM generate_series(0, 3) d;
TABLE counts;
UPDATE registry.dataset_type SET name = 'later' WHERE name = 'late';
TABLE counts;

\echo transactions of random edits
DO $$
DECLARE
    type text;
    tags text;
    run text;
    d int;
    e int;
BEGIN
    PERFORM setseed(0.25);
    FOR i IN 1..60 LOOP
        FOR j IN 1..1 + (random() * 4)::int LOOP
            type := CASE WHEN random() < 0.5 THEN 'raw' ELSE 'calexp' END;
            tags := CASE type WHEN 'raw' THEN 'registry.dataset_tags_00000001' ELSE 'registry.dataset_tags_00000002' END;
            run := CASE WHEN type = 'raw' THEN 'Cam/raw/all' WHEN random() < 0.5 THEN 'Cam/runs/one' ELSE 'v/someone' END;
            d := (random() * 3)::int;
            e := 1 + (random() * 2)::int;
            CASE floor(random() * 5)
                WHEN 0 THEN
                    EXECUTE format('WITH gone AS (DELETE FROM %s WHERE detector = $1 RETURNING dataset_id) DELETE FROM registry.dataset WHERE id IN (TABLE gone)', tags) USING d;
                WHEN 1 THEN
                    UPDATE registry.visit SET target_name = i::text WHERE id = e;
                WHEN 2 THEN
                    DELETE FROM registry.visit_detector_region WHERE detector = d AND visit = e;
                ELSE
                    BEGIN
                        PERFORM registry.put(type, run, d, e);
                    EXCEPTION WHEN unique_violation THEN
                        NULL;
                    END;
            END CASE;
        END LOOP;
        COMMIT;
        IF (SELECT c.wrong FROM counts c) > 0 THEN
            RAISE EXCEPTION 'wrong after transaction %', i;
        END IF;
    END LOOP;
END $$;
TABLE counts;

\echo and again by statements
RESET session_replication_role;
TABLE counts;
DELETE FROM registry.dataset_tags_00000002 WHERE detector = 1;
TABLE counts;
DROP VIEW counts, wrong;
SELECT count(catreg.drop_obscore(t)) FROM unnest(ARRAY['registry.of_runs', 'registry.of_path']::regclass[]) t;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg_obscore%';

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
