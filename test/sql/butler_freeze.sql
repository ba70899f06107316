-- Summaries made exact; and frozen collections, which refuse every change.
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
INSERT INTO registry.collection (name, type) VALUES ('calib', 4), ('tag', 2), ('it''s', 1);
INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name = 'it''s';
SELECT registry.chain('inner', '{Cam/good,tag}'), registry.chain('outer', '{Cam/runs/1,inner}');
SELECT count(registry.put('calexp', r, d, 1)) FROM unnest('{Cam/runs/1,it''s}'::text[]) r, generate_series(0, 2) d;
SELECT count(registry.put('raw', 'Cam/raw/all', 0, e)) FROM generate_series(1, 3) e;
SELECT count(registry.put('bias', 'Cam/runs/1', d, 0)) FROM generate_series(0, 1) d;
SELECT registry.associate('Cam/good', 'calexp', 'Cam/runs/1'), registry.certify('calib', 'Cam/runs/1', '[0,100)');
CREATE VIEW summaries AS
    SELECT c.name, s.kind, s.value FROM registry.collection c JOIN (
        SELECT collection_id, 1, name FROM registry.collection_summary_dataset_type JOIN registry.dataset_type ON id = dataset_type_id
        UNION ALL SELECT collection_id, 2, instrument FROM registry.collection_summary_instrument
        UNION ALL SELECT collection_id, 3, skymap FROM registry.collection_summary_skymap) s (collection_id, kind, value) USING (collection_id) ORDER BY 1, 2, 3;

\echo summaries
SELECT * FROM catreg.refresh_summaries('{*}', 'registry');
-- the client's grow only, and after a client's mistake, or another's, they say too much
DELETE FROM registry.dataset_tags_00000002 WHERE collection_id = registry.collection('Cam/good');
DELETE FROM registry.dataset WHERE run_id = registry.collection('Cam/raw/all');
INSERT INTO registry.collection_summary_skymap VALUES (registry.collection('Cam/runs/1'), 'sky'), (registry.collection('outer'), 'sky');
INSERT INTO registry.collection_summary_instrument VALUES (registry.collection('outer'), 'Cam');
BEGIN ISOLATION LEVEL REPEATABLE READ;
TABLE summaries;
SELECT * FROM catreg.refresh_summaries('{outer}', 'registry');
TABLE summaries;
SELECT * FROM catreg.refresh_summaries('{Cam/raw/*}', 'registry');
SELECT * FROM catreg.refresh_summaries('{*}', 'registry');
COMMIT;
TABLE summaries;
-- where no foreign key has kept them, they are made
BEGIN;
ALTER TABLE registry.dataset_tags_00000002 DISABLE TRIGGER ALL;
ALTER TABLE registry.collection_summary_dataset_type DISABLE TRIGGER ALL;
ALTER TABLE registry.collection_summary_instrument DISABLE TRIGGER ALL;
DELETE FROM registry.collection_summary_dataset_type;
DELETE FROM registry.collection_summary_instrument;
SELECT * FROM catreg.refresh_summaries('{*}', 'registry');
TABLE summaries;
ROLLBACK;
SELECT * FROM catreg.refresh_summaries('{gone}', 'registry');

\echo frozen
SELECT * FROM catreg.freeze_collections('{it''s,Cam/good,inner,ca*}', 'registry');
SELECT * FROM catreg.freeze_collections('{Cam/*}', 'registry');
SELECT registry, collection FROM catreg.frozen_collection JOIN registry.collection c ON collection = c.collection_id::text ORDER BY c.collection_id;
SELECT registry.put('calexp', 'it''s', 3, 1);
DELETE FROM registry.dataset WHERE id = registry.id('calexp it''s 0 1');
DELETE FROM registry.dataset_tags_00000002 WHERE dataset_id = registry.id('calexp it''s 0 1');
SELECT registry.put('raw', 'Cam/raw/all', 0, 1);
SELECT registry.associate('Cam/good', 'calexp', 'Cam/runs/1');
SELECT registry.certify('calib', 'Cam/runs/1', '[100,200)');
DELETE FROM registry.dataset_calibs_00000004;
SELECT registry.chain('inner', '{tag}');
INSERT INTO registry.collection_chain VALUES (registry.collection('inner'), 9, registry.collection('tag'));
UPDATE registry.collection_chain SET parent = registry.collection('inner'), position = 9 WHERE parent = registry.collection('outer') AND position = 0;
UPDATE registry.collection_chain SET parent = registry.collection('outer'), position = 9 WHERE parent = registry.collection('inner') AND position = 0;
UPDATE registry.dataset SET run_id = registry.collection('it''s') WHERE run_id = registry.collection('Cam/runs/1');
SELECT registry.summarize(2, registry.collection('tag'));
UPDATE registry.dataset_tags_00000002 SET collection_id = registry.collection('tag') WHERE collection_id = registry.collection('it''s');
DELETE FROM registry.collection WHERE name = 'it''s';
UPDATE registry.collection SET name = 'its' WHERE name = 'it''s';
UPDATE registry.collection SET type = 2 WHERE name = 'it''s';
TRUNCATE registry.dataset_tags_00000002;
TRUNCATE registry.dataset CASCADE;
-- statements over no rows, and what they are not about
DELETE FROM registry.dataset WHERE false;
SELECT registry.chain('outer', '{inner,it''s,tag}');
UPDATE registry.collection SET doc = 'frozen';
UPDATE registry.collection SET name = 'label' WHERE name = 'tag';
SELECT registry.associate('label', 'calexp', 'it''s');
SELECT * FROM catreg.refresh_summaries('{*}', 'registry');

\echo the tables of a dataset type that is registered later
CREATE TABLE registry.dataset_tags_00000009 (dataset_type_id bigint NOT NULL, dataset_id uuid REFERENCES registry.dataset ON DELETE CASCADE, collection_id bigint REFERENCES registry.collection ON DELETE CASCADE, instrument varchar(16));
INSERT INTO registry.dataset_type (name, storage_class, dimensions_key, tag_association_table) VALUES ('late', 'X', 1, 'dataset_tags_00000009');
INSERT INTO registry.dataset_tags_00000009 SELECT 99, id, run_id, 'Cam' FROM registry.dataset WHERE run_id = registry.collection('it''s');
INSERT INTO registry.dataset_tags_00000009 SELECT 99, id, registry.collection('label'), 'Cam' FROM registry.dataset;

\echo thawed, one and all
BEGIN;
SELECT * FROM catreg.thaw_collections('{~it.s}', 'registry');
DELETE FROM registry.dataset WHERE id = registry.id('calexp it''s 0 1');
ROLLBACK;
-- what was rolled back is not remembered
DELETE FROM registry.dataset WHERE id = registry.id('calexp it''s 0 1');
SELECT * FROM catreg.thaw_collections('{it''s,label}', 'registry');
DELETE FROM registry.dataset WHERE id = registry.id('calexp it''s 0 1');
SELECT registry.put('calexp', 'it''s', 0, 1) IS NOT NULL AS put;
SELECT count(*) > 0 AS triggers FROM pg_trigger WHERE tgname LIKE 'catreg_freeze%';
SELECT * FROM catreg.thaw_collections('{*}', 'registry');
SELECT count(*) > 0 AS triggers FROM pg_trigger WHERE tgname LIKE 'catreg_freeze%';
SELECT registry.put('raw', 'Cam/raw/all', 0, 1) IS NOT NULL AS put;
SELECT * FROM catreg.freeze_collections('{~none.*}', 'registry');
SELECT count(*) > 0 AS triggers FROM pg_trigger WHERE tgname LIKE 'catreg_freeze%';
BEGIN;
SELECT * FROM catreg.freeze_collections('{*}', 'registry');
ROLLBACK;
SELECT registry.put('raw', 'Cam/raw/all', 0, 2) IS NOT NULL AS put;

\echo rights: the owner freezes, and nobody writes the list himself
CREATE ROLE catreg_test_writer;
GRANT USAGE ON SCHEMA registry TO catreg_test_writer;
GRANT ALL ON ALL TABLES IN SCHEMA registry TO catreg_test_writer;
SET ROLE catreg_test_writer;
SELECT * FROM catreg.freeze_collections('{*}', 'registry');
INSERT INTO catreg.frozen_collection VALUES ('registry.butler_attributes', '1');
RESET ROLE;
SELECT * FROM catreg.freeze_collections('{Cam/raw/all}', 'registry');
SET ROLE catreg_test_writer;
DELETE FROM registry.dataset WHERE run_id = (SELECT collection_id FROM registry.collection WHERE name = 'Cam/raw/all');
SELECT * FROM catreg.thaw_collections('{*}', 'registry');
RESET ROLE;
SELECT * FROM catreg.freeze_collections('{gone}', 'registry');
SELECT * FROM catreg.thaw_collections('{gone}', 'registry');
CREATE TRIGGER wrong AFTER INSERT ON registry.skymap FOR EACH STATEMENT EXECUTE FUNCTION catreg.refuse_frozen();
INSERT INTO registry.skymap VALUES ('x');
SELECT catreg.refuse_frozen();

-- with the registry the list goes
DROP VIEW summaries;
DROP SCHEMA registry CASCADE;
TABLE catreg.frozen_collection;
DROP ROLE catreg_test_writer;
