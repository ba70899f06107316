-- Many tags removed in one statement, whose rows are found by the order of their ids.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
\set ECHO all
RESET search_path;

SELECT '{"facility_name": "F", "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"}}}'::jsonb AS config \gset
INSERT INTO registry.visit SELECT 'Cam', v, 20250101, 'r_03', format('visit %s', v) FROM generate_series(10, 2600) v;
INSERT INTO registry.collection SELECT n, format('tag %s', n), 2 FROM generate_series(1000, 1700) n;
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "RUN"}')::json, 'registry', 'of_runs');
SELECT catreg.create_obscore((:'config'::jsonb || '{"collection_type": "TAGGED", "collections": ["tag 1000"]}')::json, 'registry', 'of_tag');
CREATE VIEW wrong AS SELECT * FROM catreg.check_obscore('registry.of_runs') UNION ALL SELECT * FROM catreg.check_obscore('registry.of_tag');
CREATE VIEW n_rows AS SELECT (SELECT count(*) FROM registry.of_runs) AS of_runs, (SELECT count(*) FROM registry.of_tag) AS of_tag;

\echo as many as are looked up in three goes
CREATE TABLE all_datasets AS SELECT registry.id(concat(v, '/', d)) AS id, d, v FROM generate_series(0, 3) d, generate_series(10, 2600) v;
SELECT collection_id AS run FROM registry.collection WHERE name = 'Cam/runs/1' \gset
SELECT id AS calexp FROM registry.dataset_type WHERE name = 'calexp' \gset
INSERT INTO registry.dataset SELECT id, :calexp, 0, :run FROM all_datasets;
INSERT INTO registry.dataset_tags_00000002 SELECT :calexp, id, c, 'Cam', d, v FROM all_datasets, unnest(ARRAY[:run, 1000]) c;
TABLE n_rows;
TABLE wrong;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id = 1000 AND visit % 3 = 0;
TABLE n_rows;
TABLE wrong;
DELETE FROM registry.dataset WHERE dataset_type_id = :calexp AND get_byte(uuid_send(id), 3) < 200;
SELECT of_runs = (SELECT count(*) FROM registry.dataset_tags_00000002 WHERE collection_id = :run) AS of_runs,
    of_tag = (SELECT count(*) FROM registry.dataset_tags_00000002 WHERE collection_id = 1000) AS of_tag FROM n_rows;
TABLE wrong;
DELETE FROM registry.dataset_tags_00000002;
TABLE n_rows;
TABLE wrong;

\echo rows that were put in before, as often as it takes for their dead entries to be many
DELETE FROM registry.dataset;
SELECT FROM registry.put('calexp', 'Cam/runs/1', 1, 10);
SELECT registry.id(format('%s %s %s %s', 'calexp', 'Cam/runs/1', 1, 10)) AS dataset \gset
DO $$
DECLARE
    dataset uuid := (SELECT id FROM registry.dataset);
    run bigint := (SELECT run_id FROM registry.dataset);
BEGIN
    FOR i IN 1 .. 1000 LOOP
        DELETE FROM registry.dataset_tags_00000002 WHERE dataset_id = dataset;
        INSERT INTO registry.dataset_tags_00000002 SELECT 2, dataset, c, 'Cam', 1, 10 FROM unnest(ARRAY[run, 1000]) c;
    END LOOP;
END
$$;
TABLE n_rows;
TABLE wrong;

\echo one dataset with so many tags that they are on several pages
INSERT INTO registry.dataset_tags_00000002 SELECT :calexp, :'dataset', n, 'Cam', 1, 10 FROM generate_series(1001, 1700) n;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id > 1000 AND collection_id % 2 = 0;
TABLE n_rows;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id <> 1000;
TABLE n_rows;
TABLE wrong;
DELETE FROM registry.dataset_tags_00000002;
TABLE n_rows;
TABLE wrong;

\echo tags that are in again when the statement ends
INSERT INTO registry.dataset_tags_00000002 SELECT :calexp, :'dataset', c, 'Cam', 1, 10 FROM unnest(ARRAY[:run, 1000]) c;
WITH gone AS (DELETE FROM registry.dataset_tags_00000002 RETURNING *)
INSERT INTO registry.dataset_tags_00000002 SELECT * FROM gone ON CONFLICT (dataset_id, collection_id) DO NOTHING;
TABLE n_rows;
TABLE wrong;
INSERT INTO registry.dataset_tags_00000002 SELECT :calexp, :'dataset', c, 'Cam', 1, 10 FROM unnest(ARRAY[:run, 1000]) c ON CONFLICT DO NOTHING;
UPDATE registry.dataset_tags_00000002 SET visit = visit;
TABLE n_rows;
CREATE FUNCTION registry.put_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry.dataset_tags_00000002 SELECT * FROM gone;
    RETURN NULL;
END
$$;
CREATE TRIGGER before_catreg AFTER DELETE ON registry.dataset_tags_00000002 REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION registry.put_again();
DELETE FROM registry.dataset_tags_00000002;
TABLE n_rows;
TABLE wrong;
DROP TRIGGER before_catreg ON registry.dataset_tags_00000002;
CREATE TRIGGER it_is_after_catreg AFTER DELETE ON registry.dataset_tags_00000002 REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION registry.put_again();
DELETE FROM registry.dataset_tags_00000002;
TABLE n_rows;
TABLE wrong;

DROP TRIGGER it_is_after_catreg ON registry.dataset_tags_00000002;

\echo collections that are removed with their tags: another one, and the one that counts
INSERT INTO registry.dataset_tags_00000002 SELECT :calexp, :'dataset', c, 'Cam', 1, 10 FROM unnest(ARRAY[1001, 1002]) c;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id = 1002;
TABLE n_rows;
DELETE FROM registry.collection WHERE name = 'tag 1001';
TABLE n_rows;
TABLE wrong;
DELETE FROM registry.collection WHERE name = 'tag 1000';
TABLE n_rows;
TABLE wrong;

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
DROP VIEW IF EXISTS wrong, n_rows;
DROP TABLE all_datasets;
