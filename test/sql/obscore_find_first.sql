-- A find-first ObsCore table: of each data id the dataset whose collection comes
-- first in a search path of chains, runs, tags and globs.  The oracle walks the
-- chains by a recursive query.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set ECHO none
\i :setup
INSERT INTO registry.collection (name, type) SELECT 'run/' || n, 1 FROM generate_series(1, 6) n;
INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name LIKE 'run/%';
INSERT INTO registry.collection (name, type) VALUES ('tag', 2), ('all', 3), ('inner', 3), ('calib', 4);

CREATE FUNCTION registry.collection(wanted text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT collection_id FROM registry.collection c WHERE c.name = wanted $$;
-- as the client does: it writes the chain anew
CREATE FUNCTION registry.redefine(chain text, VARIADIC children text[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM registry.collection_chain WHERE parent = registry.collection(chain);
    INSERT INTO registry.collection_chain SELECT registry.collection(chain), n, registry.collection(child) FROM unnest(children) WITH ORDINALITY u (child, n);
$$;
CREATE FUNCTION registry.prepend(chain text, child text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.collection_chain SELECT registry.collection(chain),
        (SELECT COALESCE(min(position), 0) - 1 FROM registry.collection_chain WHERE parent = registry.collection(chain)), registry.collection(child) $$;
CREATE FUNCTION registry.unchain(chain text, gone text) RETURNS void LANGUAGE sql AS $$
    DELETE FROM registry.collection_chain WHERE parent = registry.collection(chain) AND child = registry.collection(gone) $$;
CREATE FUNCTION registry.associate(tag text, dataset uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.dataset_tags_00000002 SELECT t.dataset_type_id, dataset_id, registry.collection(tag), instrument, detector, visit
    FROM registry.dataset_tags_00000002 t JOIN registry.dataset d ON d.id = t.dataset_id AND d.run_id = t.collection_id WHERE dataset_id = dataset
    ON CONFLICT (dataset_type_id, collection_id, instrument, detector, visit) DO UPDATE SET dataset_id = excluded.dataset_id $$;
-- what should be there: roots in their order, chains depth first, each collection once
CREATE FUNCTION registry.expected(VARIADIC roots text[]) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE walk (collection, place) AS (
        SELECT registry.collection(root), ARRAY[n] FROM unnest(roots) WITH ORDINALITY u (root, n)
        UNION ALL
        SELECT c.child, w.place || (c.position + 100000)::bigint FROM walk w JOIN registry.collection_chain c ON c.parent = w.collection
    ), path AS (SELECT collection, min(place) AS place FROM walk GROUP BY collection)
    SELECT dataset_id FROM (
        SELECT DISTINCT ON (dataset_type_id, instrument, detector, visit) dataset_id FROM registry.dataset_tags_00000002 t JOIN path p ON p.collection = t.collection_id
        WHERE dataset_type_id = 2 ORDER BY dataset_type_id, instrument, detector, visit, place) f
    UNION ALL
    SELECT dataset_id FROM (
        SELECT DISTINCT ON (dataset_type_id, instrument, detector, exposure) dataset_id FROM registry.dataset_tags_00000001 t JOIN path p ON p.collection = t.collection_id
        WHERE dataset_type_id = 1 ORDER BY dataset_type_id, instrument, detector, exposure, place) f
$$;
CREATE FUNCTION registry.differences(VARIADIC roots text[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT count(*) FROM (SELECT registry.expected(VARIADIC roots) AS id) e FULL JOIN registry.first o ON o.registry_dataset_id = e.id
            WHERE e.id IS NULL OR o.registry_dataset_id IS NULL);
END
$$;
\set ECHO all
RESET search_path;

SELECT '{"collection_type": "CHAINED", "collections": ["all", "tag", "absent"], "facility_name": "F",
  "dataset_types": {
    "raw": {"dataproduct_type": "image", "calib_level": 1, "obs_id_fmt": "{records[exposure].obs_id}"},
    "calexp": {"dataproduct_type": "image", "calib_level": 2, "obs_id_fmt": "{records[visit].name}"}},
  "extra_columns": {"lsst_run": {"template": "{run}"}}}' AS config \gset
SELECT FROM registry.redefine('all', 'run/1', 'inner', 'run/2');
SELECT FROM registry.redefine('inner', 'run/3', 'calib');
SELECT count(registry.put('calexp', 'run/' || r, d, 1)) FROM generate_series(1, 3) r, generate_series(0, r - 1) d;
SELECT catreg.create_obscore(:'config', 'registry', 'first');
CREATE VIEW shown AS SELECT calib_level AS level, lsst_run AS run, obs_id, count(*) FROM registry.first GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
TABLE shown;
SELECT collection_id = collection::bigint AS same, c.name FROM catreg.obscore_collection o JOIN registry.collection c ON c.collection_id::text = o.collection ORDER BY position;
SELECT registry.differences('all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\echo puts and removals
SELECT FROM registry.put('calexp', 'run/1', 1, 1);
SELECT FROM registry.put('calexp', 'run/2', 2, 1);
SELECT FROM registry.put('calexp', 'run/4', 3, 1);
TABLE shown;
DELETE FROM registry.dataset WHERE id = registry.id('calexp run/1 1 1');
TABLE shown;
SELECT FROM registry.associate('tag', registry.id('calexp run/4 3 1'));
TABLE shown;
SELECT registry.differences('all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\echo edits of chains, seen at the end of the transaction
BEGIN;
SELECT FROM registry.redefine('all', 'run/2', 'inner', 'run/1');
SELECT registry.differences('all', 'tag') > 0 AS "not yet";
COMMIT;
TABLE shown;
SELECT FROM registry.prepend('inner', 'run/4');
SELECT FROM registry.unchain('all', 'run/2');
TABLE shown;
SELECT registry.differences('all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\echo a run leaves the chain and is removed in one transaction
BEGIN;
SELECT FROM registry.unchain('inner', 'run/3');
DELETE FROM registry.collection WHERE name = 'run/3';
COMMIT;
SELECT registry.differences('all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));
TABLE shown;

\echo records change
UPDATE registry.visit SET name = 'renamed' WHERE id = 1;
TABLE shown;

\echo repair
UPDATE registry.first SET registry_data_id = gen_random_uuid(), obs_id = 'wrong' WHERE obs_id = 'renamed';
INSERT INTO registry.first (registry_dataset_id, registry_data_id) VALUES (gen_random_uuid(), gen_random_uuid());
SELECT * FROM catreg.refresh_obscore('registry.first');
SELECT registry.differences('all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\echo the keys of data ids do not hang on the order in which dimensions are found
WITH gone AS (DELETE FROM registry.dimension_graph_definition WHERE dimension_name = 'instrument' RETURNING *) INSERT INTO registry.dimension_graph_definition TABLE gone;
\c
SET client_min_messages = warning;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT * FROM catreg.check_obscore('registry.first');
SELECT FROM registry.prepend('all', 'run/4');
UPDATE registry.visit SET name = 'named' WHERE id = 1;
SELECT registry.differences('all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));
RESET enable_indexscan;
RESET enable_bitmapscan;
DROP VIEW shown;
SELECT catreg.drop_obscore('registry.first');
SELECT count(*) FROM pg_class WHERE relname LIKE 'catreg_find_first%';
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%' AND tgrelid::regclass::text LIKE 'registry.%';
SELECT count(*) FROM catreg.obscore_collection;

\echo a dataset type without dimensions has one data id
CREATE TABLE registry.dataset_tags_00000000 (dataset_type_id bigint NOT NULL REFERENCES registry.dataset_type, dataset_id uuid REFERENCES registry.dataset ON DELETE CASCADE,
    collection_id bigint REFERENCES registry.collection ON DELETE CASCADE, PRIMARY KEY (dataset_id, collection_id), UNIQUE (dataset_type_id, collection_id));
INSERT INTO registry.dimension_graph_key VALUES (4);
INSERT INTO registry.dataset_type (name, storage_class, dimensions_key, tag_association_table) VALUES ('settings', 'Dict', 4, 'dataset_tags_00000000');
CREATE FUNCTION registry.put_settings(run text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.dataset SELECT registry.id(run), d.id, 0, registry.collection(run) FROM registry.dataset_type d WHERE d.name = 'settings';
    INSERT INTO registry.dataset_tags_00000000 SELECT d.id, registry.id(run), registry.collection(run) FROM registry.dataset_type d WHERE d.name = 'settings';
$$;
CREATE FUNCTION registry.settings() RETURNS TABLE (run text, problems bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT lsst_run::text, (SELECT count(*) FROM catreg.check_obscore('registry.settings')) FROM registry.settings;
END
$$;
SELECT FROM registry.put_settings('run/2');
SELECT catreg.create_obscore('{"collection_type": "CHAINED", "collections": ["all"], "facility_name": "F",
  "dataset_types": {"settings": {"dataproduct_type": "other", "calib_level": 0}}, "extra_columns": {"lsst_run": {"template": "{run}"}}}', 'registry', 'settings');
SELECT * FROM registry.settings();
SELECT FROM registry.prepend('all', 'run/2');
SELECT FROM registry.put_settings('run/1');
SELECT * FROM registry.settings();
SELECT FROM registry.redefine('all', 'run/1', 'inner', 'run/2');
SELECT * FROM registry.settings();
UPDATE registry.settings SET lsst_run = 'wrong';
SELECT * FROM catreg.refresh_obscore('registry.settings');
DELETE FROM registry.dataset WHERE id = registry.id('run/1');
SELECT * FROM registry.settings();
DELETE FROM registry.dataset WHERE id = registry.id('run/2');
SELECT * FROM registry.settings();
SELECT catreg.drop_obscore('registry.settings');

\echo edits of chains after constraints have been made immediate
SELECT catreg.create_obscore('{"collection_type": "CHAINED", "collections": ["early"], "facility_name": "F", "dataset_types": {"calexp": {"dataproduct_type": "image", "calib_level": 2}}}', 'registry', 'early');
BEGIN;
INSERT INTO registry.collection (name, type) VALUES ('early', 3);
SELECT FROM registry.redefine('early', 'Cam/runs/1', 'run/2');
SET CONSTRAINTS registry.catreg_obscore_path IMMEDIATE;
SELECT (SELECT count(*) > 0 FROM registry.early), (SELECT count(*) FROM catreg.check_obscore('registry.early')) AS wrong;
SELECT FROM registry.redefine('early', 'tag');
SELECT count(*) AS wrong FROM catreg.check_obscore('registry.early');
SELECT FROM registry.unchain('early', 'tag');
SELECT (SELECT count(*) FROM registry.early), (SELECT count(*) FROM catreg.check_obscore('registry.early')) AS wrong;
COMMIT;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT FROM registry.prepend('early', 'run/2');
SELECT (SELECT count(*) > 0 FROM registry.early), (SELECT count(*) FROM catreg.check_obscore('registry.early')) AS wrong;
UPDATE registry.collection SET name = 'late' WHERE name = 'early';
SELECT (SELECT count(*) FROM registry.early), (SELECT count(*) FROM catreg.check_obscore('registry.early')) AS wrong;
ROLLBACK;
SELECT FROM registry.prepend('early', 'run/2');
-- the path is known, and the rows follow it
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT FROM registry.unchain('early', 'run/2');
SELECT (SELECT count(*) FROM registry.early), (SELECT count(*) FROM catreg.check_obscore('registry.early')) AS wrong;
ROLLBACK;
-- it is known, by a put
\c
SET client_min_messages = warning;
SELECT FROM registry.put('calexp', 'run/6', 3, 4);
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT FROM registry.unchain('early', 'run/2');
SELECT (SELECT count(*) FROM registry.early), (SELECT count(*) FROM catreg.check_obscore('registry.early')) AS wrong;
ROLLBACK;
DELETE FROM registry.dataset WHERE id = registry.id('calexp run/6 3 4');
SELECT count(*) AS wrong FROM catreg.check_obscore('registry.early');
SELECT catreg.drop_obscore('registry.early');
DELETE FROM registry.collection WHERE name = 'early';

\echo many random events, one at a time or several in a transaction
SELECT catreg.create_obscore(replace(:'config', '"absent"', '"run/[56]*"')::json, 'registry', 'first');
CREATE PROCEDURE registry.events(n int, seed float8) LANGUAGE plpgsql AS $$
DECLARE
    runs text[] := ARRAY['run/1', 'run/2', 'run/4', 'run/5', 'run/6', 'Cam/runs/1'];
    wrong bigint := 0;
    children text[];
    run text;
    r float8;
    victim uuid;
BEGIN
    PERFORM setseed(seed);
    FOR i IN 1 .. n LOOP
        run := runs[1 + floor(random() * 6)];
        r := random();
        victim := (SELECT t.dataset_id FROM registry.dataset_tags_00000002 t ORDER BY md5(t.dataset_id::text || r) LIMIT 1);
        CASE
        WHEN r < 0.25 THEN
            BEGIN
                PERFORM registry.put(CASE WHEN random() < 0.8 THEN 'calexp' ELSE 'raw' END, run, floor(random() * 3)::bigint, 1 + floor(random() * 3)::bigint);
            EXCEPTION WHEN unique_violation THEN NULL;
            END;
        WHEN r < 0.35 THEN
            DELETE FROM registry.dataset d WHERE d.id = victim;
        WHEN r < 0.45 THEN
            PERFORM registry.associate('tag', victim) WHERE victim IS NOT NULL;
        WHEN r < 0.5 THEN
            DELETE FROM registry.dataset_tags_00000002 WHERE collection_id = registry.collection('tag') AND dataset_id = victim;
        WHEN r < 0.65 THEN
            PERFORM registry.prepend(CASE WHEN random() < 0.5 THEN 'all' ELSE 'inner' END, run)
            WHERE NOT EXISTS (SELECT FROM registry.collection_chain WHERE child = registry.collection(run));
        WHEN r < 0.75 THEN
            DELETE FROM registry.collection_chain WHERE child = registry.collection(run);
        WHEN r < 0.85 THEN
            children := ARRAY(SELECT c FROM unnest(runs) c WHERE random() < 0.5 ORDER BY random());
            PERFORM registry.redefine('all', VARIADIC children || CASE WHEN random() < 0.7 THEN ARRAY['inner'] ELSE '{}' END);
        WHEN r < 0.9 THEN
            DELETE FROM registry.collection_chain WHERE child = registry.collection(run);
            DELETE FROM registry.dataset d WHERE d.run_id = registry.collection(run);
        WHEN r < 0.95 THEN
            UPDATE registry.visit SET name = 'visit ' || random() WHERE visit.id = 1 + floor(random() * 3);
        ELSE
            UPDATE registry.visit_detector_region SET region = registry.square(random() * 300, 0) WHERE detector = floor(random() * 3);
        END CASE;
        CONTINUE WHEN random() < 0.3;
        COMMIT;
        wrong := wrong + registry.differences('run/5', 'run/6', 'all', 'tag');
        wrong := wrong + (SELECT count(*) FROM catreg.check_obscore('registry.first'));
        IF wrong > 0 THEN
            RAISE EXCEPTION 'wrong after event % (%) of seed %', i, r, seed;
        END IF;
    END LOOP;
END
$$;
CALL registry.events(300, 0.5);
CALL registry.events(300, 0.25);
SELECT count(*) > 0 AS some FROM registry.first;
\echo what the edit of a chain has done is undone with a savepoint, and done again at the end
DELETE FROM registry.dataset;
SELECT FROM registry.redefine('all', 'run/1', 'run/2');
SELECT count(registry.put('calexp', 'run/' || r, d, 2)) FROM generate_series(1, 2) r, generate_series(0, 2) d;
BEGIN;
SELECT FROM registry.redefine('all', 'run/2', 'run/1');
SAVEPOINT undone;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
ROLLBACK TO undone;
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
COMMIT;
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
SELECT registry.differences('run/5', 'run/6', 'all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\echo edits after which constraints are not deferred: each is followed at once
BEGIN;
SELECT FROM registry.redefine('all', 'run/2', 'run/1');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
UPDATE registry.collection_chain SET child = CASE child WHEN registry.collection('run/1') THEN registry.collection('run/2') ELSE registry.collection('run/1') END
    WHERE parent = registry.collection('all');
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
SELECT registry.differences('run/5', 'run/6', 'all', 'tag');
SELECT FROM registry.redefine('all', 'inner', 'run/2');
SELECT FROM registry.redefine('inner', 'run/1');
SELECT registry.differences('run/5', 'run/6', 'all', 'tag');
SELECT FROM registry.unchain('inner', 'run/1');
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
SAVEPOINT undone;
DELETE FROM registry.collection_chain WHERE child = registry.collection('run/2');
SELECT FROM registry.redefine('inner', 'run/4');
UPDATE registry.collection SET name = 'run/5a' WHERE name = 'run/5';
UPDATE registry.collection SET name = 'run/5' WHERE name = 'run/2';
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
-- a pattern has it on the path, until it is gone
DELETE FROM registry.collection WHERE name = 'run/5';
SELECT lsst_run, count(*) FROM registry.first GROUP BY 1;
ROLLBACK TO undone;
COMMIT;
SELECT registry.differences('run/5', 'run/6', 'all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));
SELECT FROM registry.redefine('all', 'run/2', 'run/1');

\echo the path of an edit that has failed, after it was followed, is forgotten: no message tells of it
SELECT catreg.freeze_collections('{all}', 'registry');
SELECT FROM registry.put('calexp', 'run/4', 3, 1);
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SAVEPOINT undone;
SELECT FROM registry.prepend('all', 'run/4');
ROLLBACK TO undone;
SELECT FROM registry.put('calexp', 'run/4', 3, 2);
SELECT count(*) FROM registry.first WHERE lsst_run = 'run/4';
ROLLBACK;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT FROM registry.prepend('all', 'run/4');
ROLLBACK;
SELECT FROM registry.put('calexp', 'run/4', 3, 3);
SELECT registry.differences('run/5', 'run/6', 'all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));
SELECT catreg.thaw_collections('{all}', 'registry');

\echo whatever an edit comes to in rows, what stands in its way is said once
ALTER TABLE registry.first ADD CONSTRAINT in_the_way CHECK (lsst_run <> 'run/1') NOT VALID;
SELECT FROM registry.redefine('all', 'run/1', 'inner', 'run/2');
SELECT FROM registry.redefine('all', 'run/2', 'inner');
SELECT FROM registry.redefine('all', 'inner', 'run/1', 'run/2');
ALTER TABLE registry.first DROP CONSTRAINT in_the_way;
SELECT FROM registry.redefine('all', 'run/1', 'inner', 'run/2');
SELECT registry.differences('run/5', 'run/6', 'all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\echo chains are nothing to a table that is not find-first: it is not even compared
SELECT catreg.create_obscore(jsonb_set(replace(:'config', 'CHAINED', 'RUN')::jsonb, '{collections}', '["run/.*"]')::json, 'registry', 'plain');
UPDATE registry.plain SET obs_id = 'not compared';
TRUNCATE registry.collection_chain;
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE obs_id <> 'not compared') AS compared FROM registry.plain;
SELECT registry.differences('run/5', 'run/6', 'all', 'tag'), (SELECT count(*) FROM catreg.check_obscore('registry.first'));

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
