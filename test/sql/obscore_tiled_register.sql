-- rows of an ObsCore table of a Tiled catalog: each made once by register_nodes, and found by keys without statistics
\set test obscore_tiled_register
\set version '0.2.20'
\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/tiled.psql'
\i :setup
\set ECHO all
SELECT catreg.attach_tiled();
ALTER TABLE nodes SET (autovacuum_enabled = off);
ALTER TABLE data_sources SET (autovacuum_enabled = off);
ALTER TABLE data_source_asset_association SET (autovacuum_enabled = off);
ALTER TABLE assets SET (autovacuum_enabled = off);
\set files '{"source": "tiled", "nodes": {"structure_families": ["array"]}, "columns": {"obs_id": {"node": "path"}, "access_url": {"node": "data_uri"}, "access_format": {"node": "mimetype"}, "access_estsize": {"node": "size"}, "em_min": {"metadata": "e"}}}'
\set scans '{"source": "tiled", "nodes": {"structure_families": ["container"], "subtree": "raw"}, "columns": {"obs_id": {"node": "path"}}}'
SELECT catreg.create_obscore(:'files', name => 'files'), catreg.create_obscore(:'scans', name => 'scans');

-- so many scans of two arrays, with a file each
CREATE FUNCTION pg_temp.scans(above text, first int, last int) RETURNS bigint LANGUAGE sql AS
$$
    TRUNCATE batch;
    INSERT INTO batch SELECT above, 'scan' || i, 'container' FROM generate_series(first, last) i;
    INSERT INTO batch (parent, key, structure_family, metadata, data_sources)
        SELECT concat_ws('/', nullif(above, ''), 'scan' || i), 'det' || d, 'array', '{"e": 1}', pg_temp.source(format('file:///%s/%s/%s', above, i, d))
        FROM generate_series(first, last) i, generate_series(1, 2) d;
    SELECT count(*) FROM catreg.register_nodes('batch', on_conflict => 'ignore') WHERE status = 'inserted';
$$;

-- what this transaction has written into a table, and its rows as they should be
CREATE FUNCTION pg_temp.written(tab regclass) RETURNS TABLE (inserted bigint, updated bigint, deleted bigint, wrong bigint) LANGUAGE sql AS
$$
    SELECT pg_stat_get_xact_tuples_inserted(tab), pg_stat_get_xact_tuples_updated(tab), pg_stat_get_xact_tuples_deleted(tab),
        (SELECT count(*) FROM catreg.check_obscore(tab));
$$;

-- once, with no warning of what has not been there yet, and to be seen by the next statement
INSERT INTO batch VALUES ('', 'raw', 'container');
SELECT path, status FROM catreg.register_nodes('batch');
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 1, 40);
SELECT count(*), min(obs_id), max(access_url), sum(access_estsize) FROM files;
SELECT * FROM pg_temp.written('files');
SELECT * FROM pg_temp.written('scans');
COMMIT;

-- several in a transaction, one of them undone; files that others have, too
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 41, 50);
SAVEPOINT s;
SELECT pg_temp.scans('raw', 51, 60);
SELECT count(*) FROM files;
ROLLBACK TO s;
SELECT count(*) FROM files;
SELECT pg_temp.scans('raw', 45, 55);
UPDATE nodes SET key = 'det' WHERE key = 'det1' AND parent = (SELECT id FROM nodes WHERE key = 'scan50');
SELECT count(*) FROM files;
INSERT INTO batch VALUES ('raw', 'shared', 'array', '{"e": 2}', NULL, NULL, NULL, pg_temp.source('file:///raw/1/1'));
UPDATE batch SET data_sources = replace(data_sources::text, '7', '7000')::json WHERE key = 'shared';
SELECT path, status FROM catreg.register_nodes('batch', on_conflict => 'ignore') WHERE path = 'raw/shared';
SELECT obs_id, access_estsize FROM files WHERE access_url = 'file:///raw/1/1' ORDER BY 1;
SELECT wrong FROM pg_temp.written('files');
COMMIT;

-- what is not there is warned of, once; what is replaced
TRUNCATE batch;
INSERT INTO batch VALUES ('raw', 'no file', 'array', '{}'), ('raw/scan1', 'det1', 'array', '{"e": 3}');
SELECT path, status FROM catreg.register_nodes('batch', on_conflict => 'replace');
SELECT obs_id, em_min, access_url, access_format, access_estsize FROM files WHERE obs_id IN ('raw/no file', 'raw/scan1/det1') ORDER BY 1;
SELECT problem FROM catreg.check_obscore('files') ORDER BY 1;
DELETE FROM nodes WHERE key = 'no file';

-- the same rows where some of the tables are written by plain INSERT, or all
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER plain BEFORE INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 61, 62);
SELECT * FROM pg_temp.written('files');
COMMIT;
DROP TRIGGER plain ON nodes;
CREATE TRIGGER plain BEFORE INSERT ON data_sources FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 63, 64);
SELECT * FROM pg_temp.written('files');
COMMIT;
DROP TRIGGER plain ON data_sources;
CREATE TRIGGER plain BEFORE INSERT ON data_source_asset_association FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 65, 66);
SELECT * FROM pg_temp.written('files');
COMMIT;
DROP TRIGGER plain ON data_source_asset_association;
SET catreg.fk_check = 'row';
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 67, 68);
SELECT * FROM pg_temp.written('files');
COMMIT;
RESET catreg.fk_check;
SET session_replication_role = replica;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('raw', 69, 70);
COMMIT;
RESET session_replication_role;
ALTER TABLE nodes DISABLE TRIGGER catreg_obscore_insert;
ALTER TABLE data_sources DISABLE TRIGGER catreg_obscore_insert;
ALTER TABLE data_source_asset_association DISABLE TRIGGER catreg_obscore_insert;
SELECT pg_temp.scans('raw', 71, 71);
ALTER TABLE nodes ENABLE TRIGGER catreg_obscore_insert;
ALTER TABLE data_sources ENABLE TRIGGER catreg_obscore_insert;
ALTER TABLE data_source_asset_association ENABLE TRIGGER catreg_obscore_insert;
SELECT problem, count(*) FROM catreg.check_obscore('files') GROUP BY 1;
SELECT * FROM catreg.refresh_obscore('files');
SELECT count(*) FROM files;

-- who has no right on the table; what is in the way of its rows is a warning
CREATE ROLE regress_tiled_registrar;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO regress_tiled_registrar;
GRANT ALL ON nodes, nodes_closure, structures, data_sources, assets, data_source_asset_association, revisions, node_access_tags_association, access_tags, batch TO regress_tiled_registrar;
SET ROLE regress_tiled_registrar;
SELECT pg_temp.scans('raw', 72, 72);
RESET ROLE;
ALTER TABLE files ADD CHECK (em_min < 5) NOT VALID;
TRUNCATE batch;
INSERT INTO batch VALUES ('raw', 'large', 'array', '{"e": 9}', NULL, NULL, NULL, pg_temp.source('file:///large'));
SELECT path, status FROM catreg.register_nodes('batch');
SELECT problem, count(*) FROM catreg.check_obscore('files') GROUP BY 1;
DELETE FROM nodes WHERE key = 'large';
DROP OWNED BY regress_tiled_registrar;
DROP ROLE regress_tiled_registrar;

-- as a table that is made anew
SELECT catreg.create_obscore(:'files', name => 'anew');
SELECT count(*) FROM (SELECT * FROM files EXCEPT ALL SELECT * FROM anew) d;
SELECT count(*) FROM (SELECT * FROM anew EXCEPT ALL SELECT * FROM files) d;
SELECT count(*) FROM anew;
SELECT catreg.drop_obscore('anew');

-- a client's own statements: no warning of what the next one brings, but of what is wrong
INSERT INTO nodes (id, parent, key, structure_family, metadata, specs) SELECT 5000, id, 'single', 'array', '{"e": "x"}', '[]' FROM nodes WHERE key = 'raw';
SELECT access_url, access_format, access_estsize FROM files WHERE obs_id = 'raw/single';
INSERT INTO data_sources (id, node_id, structure_id, mimetype, parameters, properties, management, structure_family)
    SELECT 5000, 5000, id, 'image/tiff', '{}', '{}', 'external', 'array' FROM structures;
SELECT access_url, access_format, access_estsize FROM files WHERE obs_id = 'raw/single';
INSERT INTO assets (id, data_uri, is_directory, size) VALUES (5000, 'file:///single', false, NULL);
INSERT INTO data_source_asset_association VALUES (5000, 5000, 'data_uri', NULL);
SELECT access_url, access_format, access_estsize FROM files WHERE obs_id = 'raw/single';
SELECT problem FROM catreg.check_obscore('files') ORDER BY 1;
DELETE FROM nodes WHERE key = 'single';

-- the indexes that a transaction has used, and how often it has read a whole table
CREATE FUNCTION pg_temp.used() RETURNS TABLE (whole bigint, by_node boolean, by_id_and_node boolean) LANGUAGE sql AS
$$
    SELECT pg_stat_get_xact_numscans('data_sources'::regclass) + pg_stat_get_xact_numscans('data_source_asset_association'::regclass)
            + pg_stat_get_xact_numscans('assets'::regclass),
        pg_stat_get_xact_numscans('ix_data_sources_node_id'::regclass) > 0, pg_stat_get_xact_numscans('idx_data_sources_id_node'::regclass) > 0;
$$;

-- without statistics, and with those of tables that were empty: each node's data sources are looked up by the node
SELECT relname, reltuples FROM pg_class WHERE relname IN ('data_sources', 'assets', 'data_source_asset_association') ORDER BY 1;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT catreg.create_obscore(:'files', name => 'plans');
SELECT * FROM pg_temp.used();
COMMIT;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT * FROM catreg.check_obscore('plans');
SELECT * FROM pg_temp.used();
COMMIT;
UPDATE plans SET obs_id = 'x';
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT * FROM catreg.refresh_obscore('plans');
SELECT * FROM pg_temp.used();
COMMIT;
SELECT catreg.drop_obscore('plans');
DELETE FROM nodes WHERE parent = 0;
DELETE FROM assets;
VACUUM ANALYZE nodes, data_sources, assets, data_source_asset_association;
SELECT relname, reltuples FROM pg_class WHERE relname IN ('data_sources', 'assets', 'data_source_asset_association') ORDER BY 1;
SELECT pg_temp.scans('', 1, 1);
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT pg_temp.scans('', 2, 60);
SELECT by_node, by_id_and_node FROM pg_temp.used();
SELECT * FROM pg_temp.written('files');
UPDATE assets SET size = 5000;
SELECT by_node, by_id_and_node FROM pg_temp.used();
SELECT * FROM pg_temp.written('files');
COMMIT;
\c postgres
