-- Collections that go with their tags: when a trigger hears of the tags, their
-- collection is gone, and whether it counted is to be seen only in the past.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set scans :testdir '/sql/include/scans.sql'
\set events :testdir '/sql/include/obscore_events.sql'
\set ECHO none
\i :setup
RESET search_path;
\i :scans
\i :events
\set ECHO all

CREATE FUNCTION registry.make(made text, kind int) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO registry.collection (name, type) VALUES (made, kind);
    INSERT INTO registry.run SELECT collection_id FROM registry.collection WHERE name = made AND kind = 1 RETURNING collection_id;
$$;
CREATE FUNCTION registry.associate(tag text, dataset uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.dataset_tags_00000002 SELECT t.dataset_type_id, dataset_id, c.collection_id, instrument, detector, visit
    FROM registry.dataset_tags_00000002 t JOIN registry.dataset d ON d.id = t.dataset_id AND d.run_id = t.collection_id, registry.collection c
    WHERE dataset_id = dataset AND c.name = tag AND c.type = 2 ON CONFLICT DO NOTHING $$;
SELECT count(registry.make(name, kind)) FROM (VALUES ('a/run', 1), ('b/run', 1), ('a/tag', 2), ('b/tag', 2), ('a/last', 2), ('c/tag', 2), ('chain', 3)) v (name, kind);
SELECT count(registry.put('calexp', r, d, v)) FROM unnest(ARRAY['a/run', 'b/run']) r, generate_series(0, 3) d, generate_series(1, 3) v;
SELECT FROM registry.dataset d, unnest(ARRAY['a/tag', 'b/tag', 'a/last', 'c/tag']) tag, registry.associate(tag, id);
TABLE n_rows;
TABLE wrong;

\echo to remove one that does not count the tables are not looked at
BEGIN;
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'c/tag' $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'a/tag' $$);
TABLE n_rows;
TABLE wrong;
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'a/last' $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'b/tag' $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'a/run' $$);
TABLE n_rows;
TABLE wrong;
ROLLBACK;

\echo renamed before, or gone in a savepoint, or there again
BEGIN;
UPDATE registry.collection SET name = 'x' WHERE name = 'c/tag';
UPDATE registry.collection SET name = 'c/tag' WHERE name = 'a/tag';
DELETE FROM registry.collection WHERE name = 'c/tag';
SAVEPOINT s;
UPDATE registry.collection SET name = 'a/tag' WHERE name = 'x';
SELECT of_tag FROM n_rows;
DELETE FROM registry.collection WHERE name = 'a/tag';
SELECT of_tag FROM n_rows;
TABLE wrong;
ROLLBACK TO s;
UPDATE registry.collection SET name = 'a/tag' WHERE name = 'x';
SELECT of_tag FROM n_rows;
TABLE wrong;
ROLLBACK;
TABLE wrong;

\echo whatever is done in whatever order: every table as check_obscore() has it
CREATE FUNCTION registry.event(i int, one text, r float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE
    WHEN r < 0.2 THEN
        PERFORM registry.put('calexp', c.name, d, v) FROM registry.collection c, generate_series(0, 3) d, generate_series(1, 3) v
            WHERE c.name = one AND c.type = 1 AND random() < 0.5 AND NOT EXISTS (SELECT FROM registry.dataset o WHERE o.id = registry.id(format('calexp %s %s %s', one, d, v)));
    WHEN r < 0.45 THEN
        PERFORM registry.associate(one, id) FROM registry.dataset d WHERE random() < 0.5;
    WHEN r < 0.55 THEN
        UPDATE registry.collection SET name = one WHERE name = (ARRAY['a/run', 'b/run', 'c/run', 'a/tag', 'b/tag', 'c/tag', 'a/last'])[1 + floor(random() * 7)];
    WHEN r < 0.75 THEN
        PERFORM registry.make(one, CASE WHEN one ~ 'run' = (random() < 0.9) THEN 1 ELSE 2 END);
    WHEN r < 0.85 THEN
        INSERT INTO registry.collection_chain SELECT p.collection_id, i, c.collection_id FROM registry.collection p, registry.collection c WHERE p.name = 'chain' AND c.name = one;
    WHEN r < 0.9 THEN
        WITH unchained AS (DELETE FROM registry.collection_chain c USING registry.collection o WHERE o.name = one AND c.child = o.collection_id)
        DELETE FROM registry.collection WHERE name = one;
    WHEN r < 0.92 THEN
        DELETE FROM registry.collection_chain;
    ELSE
        DELETE FROM registry.collection WHERE name = one;
    END CASE;
END
$$;
CALL registry.events(1000, 0.5);
CALL registry.events(1000, 0.25);
ALTER TABLE registry.dataset_tags_00000002 ALTER CONSTRAINT dataset_tags_00000002_collection_id_fkey DEFERRABLE INITIALLY DEFERRED;
CALL registry.events(1000, 0.75);

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
DROP VIEW IF EXISTS wrong, n_rows;
