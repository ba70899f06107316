-- Collections and dataset types by names, globs and regular expressions, search
-- paths, and the first dataset of each data id.
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
INSERT INTO registry.collection (name, type) VALUES ('calib', 4), ('odd [1] (a|b)', 1), ('Ωmega', 1), ('~tilde', 1), ('Cam/runs/10', 1);
INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE type = 1 ON CONFLICT DO NOTHING;

\echo what patterns choose: the order is that of registration, then names in their order
SELECT * FROM catreg.match_collections('{*}', 'registry');
SELECT * FROM catreg.match_collections('{Cam/*}', 'registry');
SELECT * FROM catreg.match_collections('{u/someone,Cam/*,Cam/good,calib}', 'registry');
SELECT * FROM catreg.match_collections('{Cam/runs/?,u/*,C?m/runs/*}', 'registry');
SELECT * FROM catreg.match_collections(ARRAY['[A-Dx]*[!0-9]'], 'registry');
SELECT * FROM catreg.match_collections(ARRAY['?mega'], 'registry');
-- brackets that are closed make a glob, of a name as well
SELECT * FROM catreg.match_collections(ARRAY['odd [[]1] (a|b)'], 'registry');
SELECT * FROM catreg.match_collections(ARRAY['odd [1] (a|b)'], 'registry');
SELECT * FROM catreg.match_collections(ARRAY['[b-a]*', '*/none'], 'registry');
SELECT * FROM catreg.match_collections(ARRAY['~Cam/(runs/\d|good)', '~\W.*'], 'registry');
SELECT * FROM catreg.match_collections('{}', 'registry');
SELECT * FROM catreg.match_collections(NULL, 'registry');
SELECT name FROM catreg.match_dataset_types('{src,nothing,*a*,bias}', 'registry');
SELECT name FROM catreg.match_dataset_types('{*}', 'registry');
SELECT name FROM catreg.match_dataset_types(ARRAY['~.{3}'], 'registry');

\echo chains
SELECT registry.chain('inner', '{u/someone,Cam/good}'), registry.chain('defaults', '{Cam/runs/1,inner,Cam/raw/all,u/someone}'),
    registry.chain('empty', '{}'), registry.chain('outer', '{empty,defaults,calib,inner}');
-- positions of members need not begin with 0, and what they follow is not the order of insertion
UPDATE registry.collection_chain SET position = -5 WHERE parent = registry.collection('defaults') AND child = registry.collection('Cam/raw/all');
SELECT * FROM catreg.flatten_collections('{outer}', 'registry');
SELECT * FROM catreg.flatten_collections('{Cam/good,inner,outer,Cam/good}', 'registry');
SELECT * FROM catreg.flatten_collections('{empty}', 'registry');
SELECT * FROM catreg.flatten_collections('{calib,inn*,Cam/runs/*}', 'registry');
SELECT * FROM catreg.flatten_collections('{*}', 'registry') WHERE name !~ '^\w+$';
-- no client makes a cycle; no end is found either way
BEGIN;
INSERT INTO registry.collection_chain VALUES (registry.collection('inner'), 7, registry.collection('outer'));
SELECT * FROM catreg.flatten_collections('{inner}', 'registry');
ROLLBACK;
-- a query sees what its snapshot shows, in a function that changes nothing
SELECT count(*) FROM (SELECT registry.chain('outer', '{}') OFFSET 0) c, catreg.flatten_collections('{outer}', 'registry');
SELECT registry.chain('outer', '{empty,defaults,calib,inner}');

\echo the first of each data id
SELECT count(registry.put('calexp', 'Cam/runs/1', d, 1)) FROM generate_series(0, 2) d;
SELECT count(registry.put('calexp', 'u/someone', d, v)) FROM generate_series(2, 3) d, generate_series(1, 2) v;
SELECT count(registry.put('raw', 'Cam/raw/all', 0, e)) FROM generate_series(1, 3) e;
SELECT count(registry.put('settings', r, 0, 0)) FROM unnest('{Cam/raw/all,u/someone}'::text[]) r;
SELECT registry.associate('Cam/good', 'calexp', 'u/someone');
CREATE FUNCTION found(type text, collections text[], data_id jsonb DEFAULT NULL) RETURNS TABLE (was_put text, run text, "position" int) LANGUAGE sql AS $$
    SELECT p.what, f.run, f.position FROM catreg.find_datasets(type, collections, 'registry', data_id) f
    LEFT JOIN (SELECT format('%s %s %s %s', t, r, d, o) FROM unnest('{calexp,raw,settings,bias}'::text[]) t, (SELECT name FROM registry.collection) c (r), generate_series(0, 3) d, generate_series(0, 3) o) p (what)
        ON registry.id(p.what) = f.dataset_id ORDER BY 1
$$;
SELECT * FROM found('calexp', '{defaults}');
SELECT * FROM found('calexp', '{u/someone,Cam/runs/1}');
SELECT * FROM found('calexp', '{Cam/good,Cam/runs/1}');
SELECT * FROM found('calexp', '{outer}', '{"detector": 2, "visit": 1, "instrument": "Cam"}');
SELECT * FROM found('calexp', '{outer}', '{"visit": 2}');
SELECT * FROM found('calexp', '{outer}', '{"visit": 999}');
SELECT * FROM found('raw', '{outer}', '{}');
SELECT * FROM found('settings', '{u/someone,outer}');
SELECT * FROM found('deepCoadd', '{outer}');
SELECT * FROM found('calexp', '{empty}');
SELECT * FROM found('calexp', '{}');
SELECT * FROM found('calexp', NULL);

-- more than are fetched at a time
BEGIN;
INSERT INTO registry."group" SELECT 'Cam', 'many';
INSERT INTO registry.exposure SELECT 'Cam', e, 20250101, 'many', 'r_03' FROM generate_series(101, 2700) e;
INSERT INTO registry.dataset SELECT registry.id(format('many %s %s', d, e)), 1, 0, registry.collection('Cam/runs/10') FROM generate_series(0, 3) d, generate_series(101, 2700) e;
SELECT registry.summarize(1, registry.collection('Cam/runs/10'));
INSERT INTO registry.dataset_tags_00000001 SELECT 1, registry.id(format('many %s %s', d, e)), registry.collection('Cam/runs/10'), 'Cam', d, e FROM generate_series(0, 3) d, generate_series(101, 2700) e;
SELECT count(*), count(*) FILTER (WHERE f IS NULL OR t IS NULL) AS different FROM catreg.find_datasets('raw', '{Cam/raw/all,Cam/runs/10}', 'registry') f
    FULL JOIN registry.dataset_tags_00000001 t USING (dataset_id);
ROLLBACK;

\echo calibrations: where a time decides, that is an error
SELECT count(registry.put('bias', 'Cam/runs/1', d, 0)) FROM generate_series(0, 1) d;
SELECT registry.put('bias', 'Cam/runs/10', 0, 0) IS NOT NULL AS put;
SELECT registry.certify('calib', 'Cam/runs/1', '[0,100)');
SELECT * FROM found('bias', '{calib,outer}');
SELECT registry.certify('calib', 'Cam/runs/10', '[100,200)');
SELECT * FROM found('bias', '{outer}');
SELECT * FROM found('bias', '{calib}', '{"detector": 1}');
SELECT * FROM found('bias', '{calib}');

\echo errors
SELECT * FROM catreg.match_collections('{Cam/*,gone,Cam/good,away}', 'registry');
SELECT * FROM catreg.flatten_collections('{gone}', 'registry');
SELECT * FROM catreg.match_collections('{a,NULL}', 'registry');
SELECT * FROM catreg.match_collections(ARRAY['~(a'], 'registry');
SELECT * FROM catreg.match_collections(ARRAY['~(a)\1'], 'registry');
SELECT * FROM catreg.match_collections('{*}', 'public');
SELECT * FROM catreg.match_dataset_types('{calexp.wcs}', 'registry');
SELECT * FROM catreg.find_datasets('calexq', '{outer}', 'registry');
SELECT * FROM catreg.find_datasets('calexp', '{outer,Cam/*}', 'registry');
SELECT * FROM catreg.find_datasets('calexp', '{outer,gone}', 'registry');
SELECT * FROM catreg.find_datasets('calexp', '{outer}', 'registry', '{"exposure": 1}');
SELECT * FROM catreg.find_datasets('settings', '{outer}', 'registry', '{"exposure": 1}');
SELECT * FROM catreg.find_datasets('calexp', '{outer}', 'registry', '{"visit": "x"}');
SELECT * FROM catreg.find_datasets('calexp', '{outer}', 'registry', '{"visit": null}');
SELECT * FROM catreg.find_datasets('calexp', '{outer}', 'registry', '[1]');
-- with the caller's rights
CREATE ROLE catreg_test_nobody;
SET ROLE catreg_test_nobody;
SELECT * FROM catreg.match_collections('{*}', 'registry');
RESET ROLE;
DROP ROLE catreg_test_nobody;

\echo a registry whose collections go by their names
CREATE SCHEMA named;
SET search_path = named;
CREATE TABLE butler_attributes AS TABLE registry.butler_attributes;
CREATE TABLE collection (name varchar(64) PRIMARY KEY, type smallint NOT NULL, doc text);
CREATE TABLE run (name varchar(64) PRIMARY KEY REFERENCES collection ON DELETE CASCADE);
CREATE TABLE collection_chain (parent varchar(64) REFERENCES collection ON DELETE CASCADE, position smallint, child varchar(64) NOT NULL REFERENCES collection, PRIMARY KEY (parent, position));
CREATE TABLE dimension_graph_definition AS TABLE registry.dimension_graph_definition;
CREATE TABLE dataset_type AS SELECT id, name, dimensions_key, tag_association_table, calibration_association_table FROM registry.dataset_type;
CREATE TABLE dataset (id uuid PRIMARY KEY, dataset_type_id bigint, ingest_date bigint, run_name varchar(64) REFERENCES run ON DELETE CASCADE);
CREATE TABLE dataset_tags_00000002 (dataset_type_id bigint, dataset_id uuid REFERENCES dataset ON DELETE CASCADE, collection_name varchar(64) REFERENCES collection ON DELETE CASCADE, instrument varchar(16), detector bigint, visit bigint,
    PRIMARY KEY (dataset_id, collection_name), UNIQUE (dataset_type_id, collection_name, instrument, detector, visit));
CREATE TABLE collection_summary_dataset_type (collection_name varchar(64) REFERENCES collection ON DELETE CASCADE, dataset_type_id bigint, PRIMARY KEY (collection_name, dataset_type_id));
CREATE TABLE collection_summary_instrument (collection_name varchar(64) REFERENCES collection ON DELETE CASCADE, instrument varchar(16), PRIMARY KEY (collection_name, instrument));
INSERT INTO collection SELECT name, type FROM registry.collection;
INSERT INTO run SELECT name FROM collection WHERE type = 1;
INSERT INTO collection_chain SELECT p.name, position, c.name FROM registry.collection_chain JOIN registry.collection p ON p.collection_id = parent JOIN registry.collection c ON c.collection_id = child;
INSERT INTO dataset SELECT id, dataset_type_id, 0, r.name FROM registry.dataset JOIN registry.collection r ON r.collection_id = run_id;
INSERT INTO dataset_tags_00000002 SELECT dataset_type_id, dataset_id, c.name, instrument, detector, visit FROM registry.dataset_tags_00000002 JOIN registry.collection c USING (collection_id);
RESET search_path;
SELECT * FROM catreg.match_collections('{*}', 'named');
SELECT array_agg(f ORDER BY f.position) = (SELECT array_agg(r ORDER BY r.position) FROM catreg.flatten_collections('{inner,outer}', 'registry') r) AS equal
    FROM catreg.flatten_collections('{inner,outer}', 'named') f;
SELECT p.path, count(*), count(*) FILTER (WHERE i IS NULL OR n IS NULL) AS different
    FROM (VALUES ('{outer}'::text[]), ('{u/someone,Cam/runs/1}'), ('{Cam/good,defaults}')) p (path),
    LATERAL (SELECT i, n FROM catreg.find_datasets('calexp', p.path, 'registry') i FULL JOIN catreg.find_datasets('calexp', p.path, 'named') n USING (dataset_id, run, position)) x GROUP BY 1 ORDER BY 1;
SELECT * FROM catreg.refresh_summaries('{outer}', 'named');
SELECT collection_name, dataset_type_id FROM named.collection_summary_dataset_type ORDER BY 1, 2;
SELECT * FROM named.collection_summary_instrument ORDER BY 1;
SELECT name FROM catreg.freeze_collections('{Cam/good,inner}', 'named') ORDER BY 1;
DELETE FROM named.dataset_tags_00000002 WHERE collection_name = 'Cam/good';
DELETE FROM named.collection_chain WHERE parent = 'inner';
UPDATE named.collection SET name = 'x' WHERE name = 'inner';
SELECT name FROM catreg.thaw_collections('{*}', 'named') ORDER BY 1;
DELETE FROM named.dataset_tags_00000002 WHERE collection_name = 'Cam/good';

DROP SCHEMA named, registry CASCADE;
DROP FUNCTION found;
