-- A registry whose collections go by their names, as older ones do: its removals, of
-- datasets, tags and collections.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
\getenv testdir PG_ABS_SRCDIR
\set setup :testdir '/sql/include/butler_registry.sql'
\set scans :testdir '/sql/include/scans.sql'
\set events :testdir '/sql/include/obscore_events.sql'
\set ECHO none
\i :setup
DROP TABLE registry.dataset_tags_00000001, registry.dataset_tags_00000002, registry.dataset_tags_00000003, registry.dataset, registry.run,
    registry.collection_chain, registry.collection;
CREATE TABLE registry.collection (name varchar(64) PRIMARY KEY, type smallint NOT NULL, doc text);
CREATE TABLE registry.run (name varchar(64) PRIMARY KEY REFERENCES registry.collection ON DELETE CASCADE);
CREATE TABLE registry.collection_chain (parent varchar(64) REFERENCES registry.collection ON DELETE CASCADE, position smallint,
    child varchar(64) NOT NULL REFERENCES registry.collection, PRIMARY KEY (parent, position));
CREATE INDEX ON registry.collection_chain (child);
CREATE TABLE registry.dataset (id uuid PRIMARY KEY, dataset_type_id bigint NOT NULL REFERENCES registry.dataset_type, ingest_date bigint NOT NULL,
    run_name varchar(64) NOT NULL REFERENCES registry.run ON DELETE CASCADE);
CREATE INDEX ON registry.dataset (run_name);
DELETE FROM registry.dataset_type WHERE name <> 'calexp';
CREATE TABLE registry.dataset_tags_00000002 (dataset_type_id bigint NOT NULL REFERENCES registry.dataset_type, dataset_id uuid REFERENCES registry.dataset ON DELETE CASCADE,
    collection_name varchar(64) REFERENCES registry.collection ON DELETE CASCADE, instrument varchar(16) NOT NULL, detector bigint NOT NULL, visit bigint NOT NULL,
    PRIMARY KEY (dataset_id, collection_name), UNIQUE (dataset_type_id, collection_name, instrument, detector, visit));
CREATE INDEX ON registry.dataset_tags_00000002 (instrument, visit);
CREATE INDEX ON registry.dataset_tags_00000002 (instrument, detector);
RESET search_path;
\i :scans
\i :events
\set ECHO all

CREATE FUNCTION registry.make(made text, kind int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.collection (name, type) VALUES (made, kind);
    INSERT INTO registry.run SELECT made WHERE kind = 1;
$$;
CREATE FUNCTION registry.put(run text, detectors int, visits int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.dataset SELECT registry.id(concat(run, d, '/', v)), 2, 0, run FROM generate_series(0, detectors) d, generate_series(1, visits) v ON CONFLICT DO NOTHING;
    INSERT INTO registry.dataset_tags_00000002 SELECT 2, registry.id(concat(run, d, '/', v)), run, 'Cam', d, v FROM generate_series(0, detectors) d, generate_series(1, visits) v
        ON CONFLICT DO NOTHING;
$$;
CREATE FUNCTION registry.associate(tag text, share float8) RETURNS void LANGUAGE sql AS $$
    INSERT INTO registry.dataset_tags_00000002 SELECT DISTINCT ON (instrument, detector, visit) 2, dataset_id, tag, instrument, detector, visit
        FROM registry.dataset_tags_00000002 JOIN registry.dataset d ON d.id = dataset_id AND d.run_name = collection_name WHERE random() < share
        ON CONFLICT (dataset_type_id, collection_name, instrument, detector, visit) DO UPDATE SET dataset_id = excluded.dataset_id
$$;
SELECT count(registry.make(name, kind)) FROM (VALUES ('a/run', 1), ('b/run', 1), ('a/tag', 2), ('b/tag', 2), ('a/last', 2), ('c/tag', 2), ('chain', 3)) v (name, kind);
SELECT count(registry.put(run, 3, 3)) FROM unnest(ARRAY['a/run', 'b/run']) run;
SELECT count(registry.associate(tag, 1)) FROM unnest(ARRAY['a/tag', 'b/tag', 'c/tag', 'a/last']) tag;
DO $$ BEGIN FOR i IN 1 .. 70 LOOP PERFORM registry.make('many/' || i, 2), registry.associate('many/' || i, 1); END LOOP; END $$;
TABLE n_rows;
TABLE wrong;

\echo datasets with tags in more collections than are remembered
DELETE FROM registry.dataset_tags_00000002 WHERE collection_name LIKE 'many/_';
DELETE FROM registry.dataset_tags_00000002 WHERE collection_name = 'a/tag' AND detector = 1;
TABLE n_rows;
DELETE FROM registry.dataset_tags_00000002 WHERE collection_name LIKE 'many/%' OR detector = 0;
TABLE n_rows;
DELETE FROM registry.dataset d USING registry.dataset_tags_00000002 t WHERE t.dataset_id = d.id AND detector = 2;
TABLE n_rows;
TABLE wrong;
DELETE FROM registry.collection WHERE name LIKE 'many/%';
TABLE n_rows;
TABLE wrong;

SELECT count(registry.put(run, 3, 3)) FROM unnest(ARRAY['a/run', 'b/run']) run;
SELECT count(registry.associate(tag, 1)) FROM unnest(ARRAY['a/tag', 'b/tag', 'c/tag', 'a/last']) tag;
\echo to remove what does not count the tables are not looked at, and for rows of a tag no other tags are looked for
BEGIN;
SELECT * FROM registry.looked_at($$ DELETE FROM registry.dataset_tags_00000002 WHERE collection_name = 'c/tag' AND visit = 1 $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'c/tag' $$);
SELECT * FROM registry.scans($$ DELETE FROM registry.dataset_tags_00000002 WHERE collection_name = 'a/tag' AND visit = 1 $$, '^dataset_tags_');
SELECT * FROM registry.scans($$ DELETE FROM registry.dataset_tags_00000002 WHERE collection_name = 'a/tag' AND visit = 3 $$, '^dataset_tags_');
SELECT * FROM registry.looked_at($$ DELETE FROM registry.dataset USING registry.dataset_tags_00000002 t WHERE dataset_id = id AND run_name = 'a/run' AND visit = 2 $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'a/tag' $$);
TABLE n_rows;
TABLE wrong;
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'a/last' $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'b/tag' $$);
SELECT * FROM registry.looked_at($$ DELETE FROM registry.collection WHERE name = 'a/run' $$);
TABLE n_rows;
TABLE wrong;
ROLLBACK;

\echo whatever is done in whatever order: every table as check_obscore() has it
CREATE FUNCTION registry.event(i int, one text, r float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE
    WHEN r < 0.2 THEN
        PERFORM registry.put(name, floor(random() * 4)::int, 1 + floor(random() * 3)::int) FROM registry.run WHERE name = one;
    WHEN r < 0.45 THEN
        PERFORM registry.associate(one, 1 - 0.8 * random()) FROM registry.collection WHERE name = one AND type = 2;
    WHEN r < 0.6 THEN
        PERFORM registry.make(one, CASE WHEN one ~ 'run' = (random() < 0.9) THEN 1 ELSE 2 END);
    WHEN r < 0.65 THEN
        INSERT INTO registry.collection_chain SELECT 'chain', i, one;
    WHEN r < 0.7 THEN
        WITH unchained AS (DELETE FROM registry.collection_chain WHERE child = one)
        DELETE FROM registry.collection WHERE name = one;
    WHEN r < 0.75 THEN
        DELETE FROM registry.collection_chain;
    WHEN r < 0.87 THEN
        DELETE FROM registry.dataset_tags_00000002 USING registry.dataset d WHERE d.id = dataset_id AND collection_name <> run_name AND random() < 0.2;
    WHEN r < 0.9 THEN
        DELETE FROM registry.dataset d WHERE random() < 0.2;
    ELSE
        DELETE FROM registry.collection WHERE name = one;
    END CASE;
END
$$;
CALL registry.events(1000, 0.5);
CALL registry.events(1000, 0.25);

SET client_min_messages = error;
DROP SCHEMA registry CASCADE;
DROP VIEW IF EXISTS wrong, n_rows;
