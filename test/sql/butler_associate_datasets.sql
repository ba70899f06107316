-- Datasets in and out of TAGGED collections, and certified in CALIBRATION ones.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set more :testdir '/sql/include/butler_collections.sql'
\set ECHO none
\i :setup
\i :more
\set ECHO all
RESET search_path;
INSERT INTO registry.collection (name, type) VALUES ('calib', 4), ('calib/other', 4), ('tag', 2), ('chain', 3);
SELECT count(registry.put('calexp', r, d, v)) FROM unnest('{Cam/runs/1,u/someone}'::text[]) r, generate_series(0, 1) d, generate_series(1, 2) v;
SELECT count(registry.put('raw', 'Cam/raw/all', d, 1)) FROM generate_series(0, 1) d;
SELECT count(registry.put('bias', r, d, 0)) FROM unnest('{Cam/runs/1,u/someone}'::text[]) r, generate_series(0, 1) d;
CREATE VIEW tagged AS
    SELECT c.name AS collection, t.name AS type, y.instrument, y.detector, y.exposure, y.visit, r.name AS run
    FROM (SELECT dataset_type_id, dataset_id, collection_id, instrument, detector, exposure, NULL::bigint AS visit FROM registry.dataset_tags_00000001
          UNION ALL SELECT dataset_type_id, dataset_id, collection_id, instrument, detector, NULL, visit FROM registry.dataset_tags_00000002
          UNION ALL SELECT dataset_type_id, dataset_id, collection_id, instrument, detector, NULL, NULL FROM registry.dataset_tags_00000004) y
        JOIN registry.collection c USING (collection_id) JOIN registry.dataset d ON d.id = y.dataset_id
        JOIN registry.dataset_type t ON t.id = d.dataset_type_id JOIN registry.collection r ON r.collection_id = d.run_id
    WHERE c.type = 2 ORDER BY 1, 2, 3, 4, 5, 6;
CREATE VIEW known AS
    SELECT d.id AS dataset_id, t.name AS type, r.name AS run FROM registry.dataset d JOIN registry.dataset_type t ON t.id = d.dataset_type_id
        JOIN registry.collection r ON r.collection_id = d.run_id;

\echo in, again, and out: several types at once
CREATE TABLE batch AS SELECT dataset_id FROM known WHERE run = 'Cam/runs/1' OR type = 'raw';
SELECT status, count(*) FROM catreg.associate_datasets('batch', 'tag', registry => 'registry') GROUP BY 1;
TABLE tagged;
SELECT d.name, i.instrument FROM registry.collection_summary_dataset_type s JOIN registry.dataset_type d ON d.id = s.dataset_type_id
    LEFT JOIN registry.collection_summary_instrument i USING (collection_id) WHERE collection_id = registry.collection('tag') ORDER BY 1;
SELECT status, count(*) FROM catreg.associate_datasets('batch', 'tag', registry => 'registry') GROUP BY 1;
CREATE TABLE again AS SELECT dataset_id FROM known WHERE run = 'Cam/runs/1' AND type = 'calexp' UNION ALL SELECT registry.id('of nothing');
-- the same one a second time, a row for each in their order
INSERT INTO again SELECT registry.id('calexp Cam/runs/1 0 1');
SELECT status, dataset_id = registry.id('of nothing') AS nothing FROM catreg.disassociate_datasets('again', 'tag', 'registry');
SELECT * FROM tagged WHERE type = 'calexp';
SELECT * FROM catreg.associate_datasets('again', 'tag', registry => 'registry');
DELETE FROM again WHERE dataset_id = registry.id('of nothing');
SELECT status FROM catreg.associate_datasets('again', 'tag', registry => 'registry');

\echo another one with the same data id
CREATE TABLE others AS SELECT dataset_id FROM known WHERE run = 'u/someone' AND type = 'calexp' ORDER BY dataset_id = registry.id('calexp u/someone 0 1') DESC, 1;
SELECT * FROM catreg.associate_datasets('others', 'tag', registry => 'registry');
SELECT a.status, k.run, count(*) FROM catreg.associate_datasets('others', 'tag', 'ignore', 'registry') a JOIN known k USING (dataset_id) GROUP BY 1, 2;
SELECT DISTINCT run FROM tagged WHERE type = 'calexp';
SELECT a.status, k.run, count(*) FROM catreg.associate_datasets('others', 'tag', 'replace', 'registry') a JOIN known k USING (dataset_id) GROUP BY 1, 2;
SELECT DISTINCT run FROM tagged WHERE type = 'calexp';
CREATE TABLE both_of AS SELECT registry.id(format('calexp %s 0 2', r)) AS dataset_id FROM unnest('{Cam/runs/1,u/someone}'::text[]) r;
SELECT * FROM catreg.associate_datasets('both_of', 'Cam/good', 'error', 'registry');
SELECT * FROM catreg.associate_datasets('both_of', 'Cam/good', 'replace', 'registry');
SELECT k.run, a.status FROM catreg.associate_datasets('both_of', 'Cam/good', 'ignore', 'registry') a JOIN known k USING (dataset_id);

\echo what is refused
SELECT * FROM catreg.associate_datasets('batch', 'Cam/runs/1', registry => 'registry');
SELECT * FROM catreg.associate_datasets('batch', 'chain', registry => 'registry');
SELECT * FROM catreg.disassociate_datasets('batch', 'calib', 'registry');
SELECT * FROM catreg.disassociate_datasets('batch', 'nowhere', 'registry');
SELECT * FROM catreg.associate_datasets('batch', 'tag', 'perhaps', 'registry');
SELECT * FROM catreg.associate_datasets('known', 'tag', registry => 'pg_catalog');
CREATE TABLE bad (id uuid);
SELECT * FROM catreg.associate_datasets('bad', 'tag', registry => 'registry');
ALTER TABLE bad ADD dataset_id text;
SELECT * FROM catreg.associate_datasets('bad', 'tag', registry => 'registry');
ALTER TABLE bad ALTER dataset_id TYPE uuid USING NULL;
INSERT INTO bad VALUES (NULL, NULL);
\set SHOW_CONTEXT errors
SELECT * FROM catreg.associate_datasets('bad', 'tag', registry => 'registry');
\set SHOW_CONTEXT never
DELETE FROM bad;
SELECT * FROM catreg.associate_datasets('bad', 'tag', registry => 'registry');

\echo both ways
SET catreg.fk_check = row;
SELECT status, count(*) FROM catreg.associate_datasets('others', 'Cam/good', 'replace', 'registry') GROUP BY 1 ORDER BY 1;
RESET catreg.fk_check;
SELECT detector, visit, run FROM tagged WHERE collection = 'Cam/good';

\echo certification
CREATE VIEW certified AS
    SELECT c.name AS collection, k.run, b.instrument, b.detector, b.timespan FROM registry.dataset_calibs_00000004 b JOIN registry.collection c USING (collection_id)
        JOIN known k USING (dataset_id) ORDER BY 1, 4, 5;
CREATE TABLE biases AS SELECT registry.id(format('bias Cam/runs/1 %s 0', d)) AS dataset_id, '[100,200)'::int8range AS timespan FROM generate_series(0, 1) d;
SELECT dataset_id = registry.id('bias Cam/runs/1 0 0') AS first, status FROM catreg.certify_datasets('biases', 'calib', 'registry');
SELECT status FROM catreg.certify_datasets('biases', 'calib/other', 'registry');
TABLE certified;
SELECT c.name, d.name, i.instrument FROM registry.collection c JOIN registry.collection_summary_dataset_type s USING (collection_id)
    JOIN registry.dataset_type d ON d.id = s.dataset_type_id JOIN registry.collection_summary_instrument i USING (collection_id) WHERE c.type = 4 ORDER BY 1;
-- an overlap, with the same one or another
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
UPDATE biases SET dataset_id = registry.id('bias u/someone 1 0'), timespan = '(,101)';
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
DELETE FROM biases;
-- timespans that touch do not overlap; without end
INSERT INTO biases VALUES (registry.id('bias u/someone 0 0'), '[200,300)'), (registry.id('bias Cam/runs/1 0 0'), '[300,)'), (registry.id('bias u/someone 0 0'), '(,100)');
SELECT status FROM catreg.certify_datasets('biases', 'calib', 'registry');
SELECT * FROM certified WHERE collection = 'calib';
TRUNCATE biases;
INSERT INTO biases VALUES (registry.id('bias u/someone 1 0'), '[900,1000)'), (registry.id('bias Cam/runs/1 1 0'), '[500,800)'), (registry.id('bias u/someone 1 0'), '[600,700)');
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
-- refused
SELECT * FROM catreg.certify_datasets('biases', 'tag', 'registry');
SELECT * FROM catreg.certify_datasets('biases', 'Cam/runs/1', 'registry');
SELECT * FROM catreg.certify_datasets('batch', 'calib', 'registry');
UPDATE biases SET timespan = 'empty' WHERE lower(timespan) = 600;
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
UPDATE biases SET timespan = NULL WHERE isempty(timespan);
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
UPDATE biases SET dataset_id = registry.id('of nothing'), timespan = '[1,2)';
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
TRUNCATE biases;
INSERT INTO biases SELECT dataset_id, '[5,6)' FROM known WHERE type = 'calexp';
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
ALTER TABLE biases ALTER timespan TYPE text;
SELECT * FROM catreg.certify_datasets('biases', 'calib', 'registry');
SELECT count(*) FROM certified WHERE collection = 'calib';

\echo rows are looked up by their keys, though there are no statistics
INSERT INTO registry.detector SELECT 'Cam', d FROM generate_series(10, 1009) d;
CREATE TABLE many AS SELECT 'Cam' AS instrument, d AS detector, v AS visit FROM generate_series(10, 1009) d, generate_series(1, 2) v;
CREATE TABLE made AS SELECT dataset_id FROM catreg.ingest_datasets('many', 'src', 'many', 'error', 'registry', create_run => true);
INSERT INTO registry.collection (name, type) VALUES ('many/tag', 2);
SELECT count(*) FROM catreg.associate_datasets('made', 'many/tag', registry => 'registry');
-- of 2000 each a few rows are read, and not each for each
BEGIN;
SELECT status, count(*) FROM catreg.associate_datasets('made', 'many/tag', registry => 'registry') GROUP BY 1;
SELECT relname, seq_tup_read + idx_tup_fetch < 20000 AS few FROM pg_stat_xact_user_tables WHERE schemaname = 'registry' AND relname IN ('dataset', 'dataset_tags_00000002') ORDER BY 1;
COMMIT;
BEGIN;
SELECT status, count(*) FROM catreg.ingest_datasets('many', 'src', 'many', 'ignore', 'registry') GROUP BY 1;
SELECT relname, seq_tup_read + idx_tup_fetch < 20000 AS few FROM pg_stat_xact_user_tables WHERE schemaname = 'registry' AND relname = 'dataset_tags_00000002';
COMMIT;

\echo frozen collections refuse
SELECT catreg.freeze_collections('{tag}', 'registry');
SELECT * FROM catreg.disassociate_datasets('others', 'tag', 'registry');
SELECT * FROM catreg.associate_datasets('again', 'tag', 'replace', 'registry');
SELECT catreg.thaw_collections('{tag}', 'registry');

\echo statistics that are older than the collections: no batch of n rows takes n * n steps
INSERT INTO registry.detector SELECT 'Cam', d FROM generate_series(2000, 16999) d;
TRUNCATE many;
INSERT INTO many SELECT 'Cam', d, 1 FROM generate_series(2000, 16999) d;
ALTER TABLE many ADD dataset_id uuid, ADD timespan int8range DEFAULT '[1,2)';
ANALYZE registry.dataset, registry.dataset_tags_00000002, registry.dataset_tags_00000004, registry.dataset_calibs_00000004;
INSERT INTO registry.collection (name, type) VALUES ('newer', 2), ('newer calib', 4);
SET statement_timeout = '20s';
SELECT status, count(*) FROM catreg.ingest_datasets('many', 'bias', 'newer run', 'error', 'registry', create_run => true) GROUP BY 1;
SELECT status, count(*) FROM catreg.ingest_datasets('many', 'bias', 'newer run', 'ignore', 'registry') GROUP BY 1;
SELECT status, count(*) FROM catreg.ingest_datasets('many', 'bias', 'another run', 'error', 'registry', create_run => true) GROUP BY 1;
UPDATE many SET dataset_id = y.dataset_id FROM registry.dataset_tags_00000004 y WHERE y.detector = many.detector AND y.collection_id = registry.collection('newer run');
SELECT status, count(*) FROM catreg.associate_datasets('many', 'newer', 'error', 'registry') GROUP BY 1;
SELECT status, count(*) FROM catreg.certify_datasets('many', 'newer calib', 'registry') GROUP BY 1;
UPDATE many SET timespan = '[2,3)', dataset_id = y.dataset_id FROM registry.dataset_tags_00000004 y WHERE y.detector = many.detector AND y.collection_id = registry.collection('another run');
SELECT status, count(*) FROM catreg.associate_datasets('many', 'newer', 'replace', 'registry') GROUP BY 1;
SELECT status, count(*) FROM catreg.associate_datasets('many', 'newer', 'error', 'registry') GROUP BY 1;
SELECT status, count(*) FROM catreg.certify_datasets('many', 'newer calib', 'registry') GROUP BY 1;
SELECT status, count(*) FROM catreg.disassociate_datasets('many', 'newer', 'registry') GROUP BY 1;
RESET statement_timeout;

DROP VIEW tagged, certified, known;
DROP TABLE batch, again, others, both_of, bad, biases, many, made;
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
