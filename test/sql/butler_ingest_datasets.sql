-- Bulk ingest into a Butler registry: what is written, what is refused, and that
-- the fast way and the plain one write the same.
\set VERBOSITY default
\set SHOW_CONTEXT errors
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set more :testdir '/sql/include/butler_collections.sql'
\set files :testdir '/sql/include/butler_files.sql'
\set ECHO none
\i :setup
\i :more
\i :files
\set ECHO all
RESET search_path;
INSERT INTO registry.collection (name, type) VALUES ('calib', 4), ('tag', 2), ('chain', 3);

-- all that is written, without what differs each time
CREATE VIEW written AS
    SELECT t.name AS type, c.name AS run, coalesce(r.instrument, b.instrument) AS instrument, coalesce(r.detector, b.detector) AS detector, r.visit,
        l.datastore_name AS datastore, f.path, f.formatter, f.storage_class, f.component, f.checksum, f.file_size, d.ingest_date > 1735700000000000000 AS dated
    FROM registry.dataset d JOIN registry.dataset_type t ON t.id = d.dataset_type_id JOIN registry.collection c ON c.collection_id = d.run_id
        LEFT JOIN registry.dataset_tags_00000002 r ON r.dataset_id = d.id AND r.collection_id = d.run_id
        LEFT JOIN registry.dataset_tags_00000004 b ON b.dataset_id = d.id AND b.collection_id = d.run_id
        LEFT JOIN registry.dataset_location l ON l.dataset_id = d.id LEFT JOIN registry.file_datastore_records f ON f.dataset_id = d.id
    ORDER BY 1, 2, 3, 4, 5, path;
CREATE TABLE batch AS
    SELECT 'Cam' AS instrument, d AS detector, v::bigint AS visit, format('calexp/%s/%s.fits', v, d) AS path, 'x.Formatter' AS formatter,
        NULLIF(d, 1) * 1000::bigint AS file_size, CASE WHEN d = 0 THEN 'abc' END AS checksum, 'store' AS datastore
    FROM generate_series(1, 2) v, generate_series(0, 1) d;

\echo what is written
SELECT status FROM catreg.ingest_datasets('batch', 'calexp', 'new', registry => 'registry');
SELECT status, count(DISTINCT dataset_id) FROM catreg.ingest_datasets('batch', 'calexp', 'new', registry => 'registry', create_run => true) GROUP BY 1;
SELECT * FROM written;
SELECT c.name, c.type, c.doc, r.host, r.timespan FROM registry.run r JOIN registry.collection c USING (collection_id) WHERE c.name = 'new';
SELECT d.name, i.instrument FROM registry.collection_summary_dataset_type s JOIN registry.dataset_type d ON d.id = s.dataset_type_id
    JOIN registry.collection_summary_instrument i USING (collection_id) WHERE collection_id = registry.collection('new');
-- the datastore is known by now
ALTER TABLE batch DROP COLUMN datastore;
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'src', 'new', registry => 'registry') GROUP BY 1;
SELECT DISTINCT datastore FROM written WHERE type = 'src';
-- of no dimension; and of nothing
CREATE TABLE nothing AS SELECT 'p' AS path, 'f' AS formatter, 's' AS storage_class;
SELECT status FROM catreg.ingest_datasets('nothing', 'settings', 'new', registry => 'registry');
TRUNCATE nothing;
SELECT status FROM catreg.ingest_datasets('nothing', 'settings', 'empty', registry => 'registry', create_run => true);
SELECT count(*) FROM registry.collection_summary_dataset_type WHERE collection_id = registry.collection('empty');

\echo ids
-- Python: uuid.uuid5(uuid.UUID("840b31d9-05cd-5161-b2c8-00d32b280d0f"), "dataset_type=bias,detector=1,instrument=Cam"), then with "run=b/x," after the type
CREATE TABLE bias AS SELECT 'Cam' AS instrument, 1 AS detector;
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/x', registry => 'registry', id_mode => 'dataid_type', create_run => true);
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/x', 'replace', 'registry', 'dataid_type_run');
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/x', 'replace', 'registry', 'dataid_type_run');
SELECT substr(dataset_id::text, 15, 1) AS version FROM catreg.ingest_datasets('bias', 'bias', 'b/y', registry => 'registry', create_run => true);
-- an id is one dataset's
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/z', 'error', 'registry', 'dataid_type', true);
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/x', 'replace', 'registry', 'dataid_type');
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/z', 'ignore', 'registry', 'dataid_type', true);
ALTER TABLE bias ADD dataset_id uuid;
UPDATE bias SET dataset_id = registry.id('given');
SELECT status, dataset_id = registry.id('given') AS given FROM catreg.ingest_datasets('bias', 'bias', 'b/w', registry => 'registry', create_run => true);
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/v', registry => 'registry', create_run => true);
UPDATE bias SET detector = 2;
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/w', 'ignore', 'registry');
INSERT INTO bias SELECT 'Cam', 3, dataset_id FROM bias;
SELECT * FROM catreg.ingest_datasets('bias', 'bias', 'b/w', 'ignore', 'registry');

\echo what is there already
SELECT registry.associate('tag', 'calexp', 'new');
CREATE TEMP TABLE before AS SELECT id FROM registry.dataset WHERE run_id = registry.collection('new') AND dataset_type_id = 2;
DO $$
DECLARE
    detail text;
BEGIN
    PERFORM catreg.ingest_datasets('batch', 'calexp', 'new', registry => 'registry');
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RAISE WARNING '% %', sqlerrm, regexp_replace(detail, '[0-9a-f-]{36}', 'ID', 'g');
    IF substring(detail, '[0-9a-f-]{36}')::uuid NOT IN (SELECT id FROM before) THEN
        RAISE EXCEPTION 'the dataset named is not one of the run';
    END IF;
END
$$;
SELECT status, count(*), bool_and(dataset_id IN (SELECT id FROM before)) FROM catreg.ingest_datasets('batch', 'calexp', 'new', 'ignore', 'registry') GROUP BY 1;
INSERT INTO batch SELECT instrument, detector, 3, path || '3', formatter, file_size, checksum FROM batch WHERE visit = 1;
-- a row for each, in their order
SELECT status, dataset_id IN (SELECT id FROM before) AS old FROM catreg.ingest_datasets('batch', 'calexp', 'new', 'ignore', 'registry');
SELECT count(*) FROM registry.dataset_tags_00000002 WHERE collection_id = registry.collection('tag');
SELECT status, count(*), bool_or(dataset_id IN (SELECT id FROM before)) AS old FROM catreg.ingest_datasets('batch', 'calexp', 'new', 'replace', 'registry') GROUP BY 1;
SELECT count(*) FROM registry.dataset_tags_00000002 WHERE collection_id = registry.collection('tag');
SELECT count(*) FROM registry.dataset WHERE id IN (SELECT id FROM before);
SELECT datastore_name, count(*) FROM registry.dataset_location_trash WHERE dataset_id IN (SELECT id FROM before) GROUP BY 1;
SELECT count(*) FROM registry.file_datastore_records WHERE dataset_id IN (SELECT id FROM before);
-- an id that waits in the trash would take the new files along
CREATE TEMP TABLE back AS SELECT b.*, (SELECT min(id::text)::uuid FROM before) AS dataset_id FROM batch b LIMIT 1;
\set VERBOSITY sqlstate
SELECT * FROM catreg.ingest_datasets('back', 'calexp', 'elsewhere', 'error', 'registry', create_run => true);
\set VERBOSITY default

\echo a batch that repeats itself
CREATE TABLE twice AS SELECT b.* FROM batch b, generate_series(1, 2) WHERE visit = 1 ORDER BY detector;
SELECT * FROM catreg.ingest_datasets('twice', 'src', 'twice', 'error', 'registry', create_run => true);
SELECT * FROM catreg.ingest_datasets('twice', 'src', 'twice', 'replace', 'registry', create_run => true);
SELECT status FROM catreg.ingest_datasets('twice', 'src', 'twice', 'ignore', 'registry', create_run => true);
SELECT count(*) FROM written WHERE run = 'twice';
-- but components may stand together
ALTER TABLE twice ADD component text;
UPDATE twice SET component = CASE WHEN ctid IN (SELECT min(ctid) FROM twice GROUP BY detector) THEN 'image' ELSE 'mask' END;
SELECT status FROM catreg.ingest_datasets('twice', 'src', 'components', 'error', 'registry', create_run => true);
SELECT detector, component FROM written WHERE run = 'components' ORDER BY 1, 2;
SELECT count(*) FROM registry.dataset_location JOIN registry.dataset ON id = dataset_id WHERE run_id = registry.collection('components');

\echo what is refused, and nothing is written
CREATE TABLE bad (LIKE batch);
INSERT INTO bad SELECT * FROM batch LIMIT 2;
CREATE FUNCTION attempt(changes text, type text DEFAULT 'src', run text DEFAULT 'bad') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
BEGIN
    BEGIN
        EXECUTE changes;
        PERFORM catreg.ingest_datasets('bad', type, run, 'error', 'registry', create_run => true);
        RAISE 'not refused';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
        IF EXISTS (SELECT FROM registry.collection WHERE name = 'bad') THEN
            RAISE 'a run is left';
        END IF;
        RETURN concat_ws(' | ', sqlstate, message, detail);
    END;
END
$$;
SELECT attempt($$UPDATE bad SET visit = 7 WHERE detector = 1$$);
SELECT attempt($$UPDATE bad SET instrument = 'Other'$$);
SELECT attempt($$UPDATE bad SET detector = NULL WHERE detector = 1$$);
SELECT attempt($$ALTER TABLE bad ALTER visit TYPE text$$);
SELECT attempt($$ALTER TABLE bad ALTER visit TYPE numeric$$);
SELECT attempt($$ALTER TABLE bad DROP visit$$);
SELECT attempt($$ALTER TABLE bad DROP path$$);
SELECT attempt($$ALTER TABLE bad DROP formatter$$);
SELECT attempt($$UPDATE bad SET path = NULL$$);
SELECT attempt($$ALTER TABLE bad ADD component text; UPDATE bad SET component = repeat('ä', 33)$$);
SELECT attempt($$ALTER TABLE bad ADD datastore text$$);
SELECT attempt($$ALTER TABLE bad ADD datastore text DEFAULT ''$$);
SELECT attempt($$UPDATE bad SET path = ''$$);
SELECT attempt($$UPDATE bad SET formatter = ''$$);
SELECT attempt($$ALTER TABLE bad ADD component text DEFAULT ''$$);
SELECT attempt($$UPDATE bad SET file_size = -2$$);
SELECT attempt($$UPDATE registry.dataset_location SET datastore_name = 'second' WHERE dataset_id = (SELECT min(dataset_id::text)::uuid FROM registry.dataset_location)$$);
SELECT attempt($$DELETE FROM registry.dataset_location$$);
SELECT attempt($$DROP TABLE registry.file_datastore_records CASCADE$$);
SELECT attempt($$DROP TABLE bad$$);
SELECT attempt('', 'nonsense');
SELECT attempt('', 'src', '');
SELECT attempt('', 'src', name) FROM registry.collection WHERE type <> 1 ORDER BY type, name;
-- a dimension that is but a column of another's table
SELECT attempt($$DROP TABLE bad; CREATE TABLE bad AS SELECT 'sky' skymap, 1 tract, 1 patch, 'z' band$$, 'deepCoadd');
SELECT * FROM catreg.ingest_datasets('bad', 'src', 'bad', 'perhaps', 'registry');
SELECT * FROM catreg.ingest_datasets('bad', 'src', 'bad', 'error', 'registry', 'random');
SELECT * FROM catreg.ingest_datasets('bad', 'src', 'bad', 'error', 'pg_catalog');
SELECT count(*) FROM catreg.ingest_datasets(NULL, 'src', 'bad', 'error', 'registry');
BEGIN READ ONLY;
SELECT * FROM catreg.ingest_datasets('bad', 'src', 'bad', 'error', 'registry');
ROLLBACK;

\echo both ways
CREATE TABLE random AS SELECT 'Cam'::varchar AS instrument, (random() * 3)::int2 AS detector, 1 + (random() * 3)::int AS visit, 'p' || n AS path, 'f' AS formatter, n AS file_size
    FROM generate_series(1, 60) n;
SELECT count(*) FROM catreg.ingest_datasets('random', 'calexp', 'one way', 'ignore', 'registry', 'dataid_type_run', true);
SET catreg.fk_check = row;
SET client_min_messages = debug1;
SELECT count(*) FROM catreg.ingest_datasets('random', 'calexp', 'another', 'ignore', 'registry', 'dataid_type_run', true);
RESET catreg.fk_check;
SET client_min_messages = warning;
SELECT count(*) > 8 AS some, count(*) = count(DISTINCT (detector, visit)) * 2 AS pairs FROM written WHERE run IN ('one way', 'another') AND type = 'calexp';
(SELECT type, detector, visit, path, file_size FROM written WHERE run = 'one way') EXCEPT (SELECT type, detector, visit, path, file_size FROM written WHERE run = 'another');
-- and with triggers that have to fire
CREATE TABLE seen (what text, n bigint);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen SELECT tg_table_name, count(*) FROM inserted; RETURN NULL; END $$;
CREATE TRIGGER see AFTER INSERT ON registry.dataset_tags_00000002 REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION see();
CREATE TRIGGER see AFTER INSERT ON registry.dataset REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION see();
SELECT count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'seen', 'error', 'registry', create_run => true);
SELECT * FROM seen ORDER BY 1;
-- that is no reason for the plain way; the transition table has every row, however many
INSERT INTO registry.detector SELECT 'Cam', d FROM generate_series(10, 1009) d;
CREATE TABLE many AS SELECT 'Cam' AS instrument, d AS detector, v AS visit FROM generate_series(10, 1009) d, generate_series(1, 3) v;
CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO seen SELECT %L, count(*) FROM (SELECT * FROM inserted INTERSECT SELECT * FROM registry.%I) i', tg_table_name, tg_table_name);
    RETURN NULL;
END
$$;
TRUNCATE seen;
-- a catalog cache that grows says so at debug1: this one is large from here on
SELECT count(has_column_privilege(attrelid, attname, 'SELECT')) > 1200 AS cached FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped;
SET client_min_messages = debug1;
SELECT count(*) FROM catreg.ingest_datasets('many', 'calexp', 'many', 'error', 'registry', create_run => true);
SET client_min_messages = warning;
SELECT * FROM seen ORDER BY 1;
-- one that fires for each row, or before, is
CREATE TRIGGER see_row AFTER INSERT ON registry.dataset_tags_00000002 FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TRIGGER see_before BEFORE INSERT ON registry.dataset FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger();
SET client_min_messages = debug1;
SELECT count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'fails', 'error', 'registry', create_run => true);
SET client_min_messages = warning;
DROP TRIGGER see_before ON registry.dataset;
SET client_min_messages = debug1;
SELECT count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'fails', 'error', 'registry', create_run => true);
SET client_min_messages = warning;
DROP TRIGGER see_row ON registry.dataset_tags_00000002;
DROP FUNCTION see() CASCADE;

\echo what is replaced: deleted without a trigger for each, unless somebody refers to it
CREATE TABLE registry.note (dataset_id uuid PRIMARY KEY REFERENCES registry.dataset ON DELETE CASCADE, text text);
CREATE TABLE registry.lock (dataset_id uuid REFERENCES registry.dataset);
SELECT count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'noted', 'error', 'registry', create_run => true);
INSERT INTO registry.note SELECT id, 'of another run' FROM registry.dataset WHERE run_id = registry.collection('new');
INSERT INTO registry.lock SELECT dataset_id FROM registry.note;
SELECT registry.associate('tag', 'calexp', 'noted');
SET client_min_messages = debug1;
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'noted', 'replace', 'registry') GROUP BY 1;
SET client_min_messages = warning;
SELECT count(*) FROM registry.dataset_tags_00000002 x WHERE NOT EXISTS (SELECT FROM registry.dataset d WHERE d.id = x.dataset_id);
SELECT count(*) > 0 AS noted, count(*) = (SELECT count(*) FROM registry.lock) AS kept FROM registry.note;
INSERT INTO registry.note SELECT id, 'of this run' FROM registry.dataset WHERE run_id = registry.collection('noted');
SET client_min_messages = debug1;
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'noted', 'replace', 'registry') GROUP BY 1;
SET client_min_messages = warning;
SELECT text, count(*) > 0 AS noted FROM registry.note GROUP BY 1;
INSERT INTO registry.lock SELECT id FROM registry.dataset WHERE run_id = registry.collection('noted');
\set VERBOSITY sqlstate
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'noted', 'replace', 'registry') GROUP BY 1;
\set VERBOSITY default
DROP TABLE registry.note, registry.lock;
-- a transaction with one snapshot for all its statements
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'noted', 'replace', 'registry') GROUP BY 1;
COMMIT;
-- rows that the user may not delete go along with the datasets
CREATE ROLE butler_replacer;
GRANT USAGE ON SCHEMA registry TO butler_replacer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA registry TO butler_replacer;
REVOKE DELETE ON registry.dataset_tags_00000002 FROM butler_replacer;
GRANT SELECT ON batch TO butler_replacer;
SET ROLE butler_replacer;
SET client_min_messages = debug1;
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'noted', 'replace', 'registry') GROUP BY 1;
SET client_min_messages = warning;
RESET ROLE;
SELECT count(*) FROM written WHERE run = 'noted';
DROP OWNED BY butler_replacer;
DROP ROLE butler_replacer;

\echo rights
CREATE ROLE butler_reader;
GRANT USAGE ON SCHEMA registry TO butler_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA registry TO butler_reader;
GRANT SELECT ON batch TO butler_reader;
SET ROLE butler_reader;
SELECT * FROM catreg.ingest_datasets('batch', 'calexp', 'Cam/runs/1', 'error', 'registry');
SELECT DISTINCT status FROM catreg.ingest_datasets('batch', 'calexp', 'new', 'ignore', 'registry');
RESET ROLE;
REVOKE ALL ON batch FROM butler_reader;
GRANT INSERT ON ALL TABLES IN SCHEMA registry TO butler_reader;
SET ROLE butler_reader;
SELECT * FROM catreg.ingest_datasets('batch', 'calexp', 'Cam/runs/1', 'error', 'registry');
RESET ROLE;
GRANT SELECT ON batch TO butler_reader;
ALTER TABLE registry.dataset_tags_00000002 ENABLE ROW LEVEL SECURITY;
CREATE POLICY detector ON registry.dataset_tags_00000002 USING (true) WITH CHECK (detector < 1);
SET ROLE butler_reader;
SELECT * FROM catreg.ingest_datasets('batch', 'calexp', 'Cam/runs/1', 'error', 'registry');
RESET ROLE;
SELECT count(*) FROM written WHERE run = 'Cam/runs/1';
ALTER TABLE registry.dataset_tags_00000002 DISABLE ROW LEVEL SECURITY;
-- what he may not see he cannot replace, and it keeps its tags
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA registry TO butler_reader;
ALTER TABLE registry.dataset ENABLE ROW LEVEL SECURITY;
CREATE POLICY run ON registry.dataset USING (run_id <> registry.collection('noted')) WITH CHECK (true);
SET ROLE butler_reader;
DO $$
BEGIN
    PERFORM catreg.ingest_datasets('batch', 'calexp', 'noted', 'replace', 'registry');
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING '%', regexp_replace(sqlerrm, '[0-9a-f-]{36}', 'ID');
END
$$;
RESET ROLE;
ALTER TABLE registry.dataset DISABLE ROW LEVEL SECURITY;
SELECT count(*) FROM written WHERE run = 'noted' AND detector IS NOT NULL;
DROP OWNED BY butler_reader;
DROP ROLE butler_reader;

\echo with an ObsCore table
SELECT catreg.create_obscore('{"collection_type": "RUN", "collections": ["kept"], "facility_name": "F",
  "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{visit}/{detector}"}}}', 'registry');
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'kept', 'error', 'registry', create_run => true) GROUP BY 1;
SELECT obs_id FROM registry.obscore ORDER BY 1;
SELECT status, count(*) FROM catreg.ingest_datasets('batch', 'calexp', 'kept', 'replace', 'registry') GROUP BY 1;
SELECT count(*) FROM registry.obscore;
SELECT * FROM catreg.check_obscore('registry.obscore') WHERE problem NOT LIKE 'access_url %';

\echo a frozen run refuses
SELECT catreg.freeze_collections('{kept}', 'registry');
SELECT * FROM catreg.ingest_datasets('batch', 'src', 'kept', 'error', 'registry');
SELECT catreg.thaw_collections('{kept}', 'registry');

DROP FUNCTION attempt(text, text, text);
DROP VIEW written;
DROP TABLE batch, nothing, bias, twice, bad, random, seen, many;
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
