-- Mirrors of unusual tables: after every refresh the rows are the remote's, by
-- EXCEPT ALL both ways. The remote is another schema of this database.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS catreg;
DO $$
BEGIN
    EXECUTE format('CREATE SERVER here FOREIGN DATA WRAPPER catreg OPTIONS (host %L, port %L, dbname %L)',
                   CASE WHEN current_setting('unix_socket_directories') <> '' THEN split_part(current_setting('unix_socket_directories'), ',', 1)
                        ELSE split_part(current_setting('listen_addresses'), ',', 1) END,
                   current_setting('port'), current_database());
END
$$;
CREATE USER MAPPING FOR CURRENT_USER SERVER here;
CREATE SCHEMA source;
CREATE FUNCTION pg_temp.differing() RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
    name text;
    n bigint;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'source'::regnamespace AND relkind = 'r' ORDER BY 1 LOOP
        EXECUTE format('WITH a AS (SELECT t::text FROM source.%1$I t), b AS (SELECT t::text FROM m.%1$I t) '
                       'SELECT count(*) FROM ((TABLE a EXCEPT ALL TABLE b) UNION ALL (TABLE b EXCEPT ALL TABLE a)) d', name) INTO n;
        IF n > 0 THEN
            RETURN NEXT format('%s: %s rows', name, n);
        END IF;
    END LOOP;
END
$$;

-- two unique constraints, made in another order there than here
CREATE TABLE source.two (b int NOT NULL UNIQUE, a int NOT NULL UNIQUE, PRIMARY KEY (a) DEFERRABLE);
INSERT INTO source.two SELECT i, -i FROM generate_series(1, 10) i;
SELECT catreg.create_mirror('here', 'source', 'm');
UPDATE source.two SET b = 100 WHERE b = 1;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.two;

-- a foreign key that has been dropped there takes nothing along here
CREATE TABLE source.parent (id int PRIMARY KEY);
CREATE TABLE source.cascaded (id int PRIMARY KEY, parent int CONSTRAINT to_parent REFERENCES source.parent ON DELETE CASCADE);
CREATE TABLE source.cleared (id int PRIMARY KEY, parent int CONSTRAINT to_parent REFERENCES source.parent ON DELETE SET NULL);
CREATE TABLE source.kept (id int PRIMARY KEY, parent int CONSTRAINT to_parent REFERENCES source.parent);
INSERT INTO source.parent SELECT generate_series(1, 10);
INSERT INTO source.cascaded SELECT i, 1 + i % 8 FROM generate_series(1, 50) i;
INSERT INTO source.cleared SELECT i, 1 + i % 9 FROM generate_series(1, 50) i;
INSERT INTO source.kept SELECT i, 10 FROM generate_series(1, 50) i;
SELECT catreg.create_mirror('here', 'source', 'm');
ALTER TABLE source.cascaded DROP CONSTRAINT to_parent;
ALTER TABLE source.cleared DROP CONSTRAINT to_parent;
ALTER TABLE source.kept DROP CONSTRAINT to_parent;
DELETE FROM source.parent WHERE id = 3;
SELECT * FROM catreg.refresh_mirror('m');
ALTER TABLE m.cascaded DROP CONSTRAINT to_parent;
SELECT * FROM catreg.refresh_mirror('m');
SET track_counts = off;
UPDATE catreg.mirror SET remote_state = NULL;
SELECT * FROM catreg.refresh_mirror('m');
RESET track_counts;
ALTER TABLE m.cleared DROP CONSTRAINT to_parent;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
DELETE FROM source.parent WHERE id = 10;
\set VERBOSITY terse
SELECT * FROM catreg.refresh_mirror('m');
\set VERBOSITY default
ALTER TABLE m.kept DROP CONSTRAINT to_parent;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.cascaded, source.cleared, source.kept, source.parent;

-- what refers to a key that looks otherwise follows it, here as there
CREATE TABLE source.parent (id numeric PRIMARY KEY, v int);
CREATE TABLE source.child (id int PRIMARY KEY, parent numeric REFERENCES source.parent ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO source.parent SELECT i, i FROM generate_series(1, 50) i;
INSERT INTO source.child SELECT i, 1 + i % 50 FROM generate_series(1, 500) i;
SELECT catreg.create_mirror('here', 'source', 'm');
UPDATE source.parent SET id = id::numeric(9, 2) WHERE v % 7 = 1;
DELETE FROM source.parent WHERE v % 10 = 2;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
UPDATE source.parent SET id = id::numeric(9, 3) WHERE v % 5 = 1;
UPDATE catreg.mirror SET remote_state = NULL;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
ALTER TABLE source.child DROP CONSTRAINT child_parent_fkey;
UPDATE source.parent SET id = id::numeric(9, 1) WHERE v = 7;
UPDATE source.child SET parent = NULL WHERE id = 2;
SELECT * FROM catreg.refresh_mirror('m');
ALTER TABLE m.child DROP CONSTRAINT child_parent_fkey;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.child, source.parent;

-- values change places under deferred constraints, of tables in a circle
CREATE TABLE source.one (id int PRIMARY KEY, u int UNIQUE, other int);
CREATE TABLE source.other (id int PRIMARY KEY, u int UNIQUE, one int REFERENCES source.one DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE source.one ADD FOREIGN KEY (other) REFERENCES source.other DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO source.one SELECT i, i, i FROM generate_series(1, 10) i;
INSERT INTO source.other SELECT i, i, i FROM generate_series(1, 10) i;
COMMIT;
SELECT catreg.create_mirror('here', 'source', 'm');
UPDATE source.one SET u = -u, other = 11 - other;
UPDATE source.one SET u = 11 + u;
UPDATE source.other SET u = -u, one = 11 - one;
UPDATE source.other SET u = 11 + u;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT conname, condeferred FROM pg_constraint WHERE connamespace = 'm'::regnamespace AND contype = 'f' ORDER BY 1;
-- in a transaction that goes on
BEGIN;
UPDATE source.one SET u = -u;
UPDATE source.one SET u = 11 + u;
COMMIT;
BEGIN;
SELECT * FROM catreg.refresh_mirror('m');
INSERT INTO m.other VALUES (77, 77, 77);
INSERT INTO m.one VALUES (77, 77, 77);
COMMIT;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.one, source.other;

-- sequences that do not number all ids, or number downwards
CREATE SEQUENCE source.small MAXVALUE 10;
CREATE SEQUENCE source.down INCREMENT -1;
CREATE SEQUENCE source.late START 1000;
CREATE TABLE source.numbered (id int PRIMARY KEY DEFAULT nextval('source.small'), down int DEFAULT nextval('source.down'), late int DEFAULT nextval('source.late'));
ALTER SEQUENCE source.small OWNED BY source.numbered.id;
ALTER SEQUENCE source.down OWNED BY source.numbered.down;
ALTER SEQUENCE source.late OWNED BY source.numbered.late;
INSERT INTO source.numbered (late) VALUES (5), (7);
INSERT INTO source.numbered (id, late) VALUES (1000, 8);
SELECT catreg.create_mirror('here', 'source', 'm');
INSERT INTO m.numbered DEFAULT VALUES RETURNING *;
INSERT INTO source.numbered (id, late) VALUES (-5, 2000);
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
INSERT INTO m.numbered DEFAULT VALUES RETURNING *;
SELECT catreg.drop_mirror('m');
DROP TABLE source.numbered;
CREATE SEQUENCE source.shared;
CREATE TABLE source.a (id int PRIMARY KEY DEFAULT nextval('source.shared'));
CREATE TABLE source.b (id int PRIMARY KEY DEFAULT nextval('source.shared'));
INSERT INTO source.a SELECT FROM generate_series(1, 5);
INSERT INTO source.b SELECT FROM generate_series(1, 5);
SELECT catreg.create_mirror('here', 'source', 'm');
INSERT INTO m.a DEFAULT VALUES RETURNING *;
INSERT INTO source.b VALUES (70);
SELECT * FROM catreg.refresh_mirror('m');
INSERT INTO m.a DEFAULT VALUES RETURNING *;
SELECT catreg.drop_mirror('m');
SELECT relname FROM pg_class WHERE relnamespace = 'm'::regnamespace;
DROP TABLE source.a, source.b;
DROP SEQUENCE source.shared;

-- a session's and a role's settings
CREATE TYPE source.mood AS ENUM ('good', 'NULL');
CREATE TABLE source.moods (id int PRIMARY KEY, moods source.mood[], texts text[]);
INSERT INTO source.moods VALUES (1, '{good,NULL}', '{a,NULL}'), (2, '{"NULL"}', '{"NULL"}');
SET array_nulls = off;
SELECT catreg.create_mirror('here', 'source', 'm');
RESET array_nulls;
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
CREATE TABLE source.keyed (k text[] PRIMARY KEY, v int);
INSERT INTO source.keyed SELECT ARRAY['a', NULL, i::text], i FROM generate_series(1, 10) i;
DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET array_nulls = off', current_database()); END $$;
SELECT catreg.create_mirror('here', 'source', 'm');
UPDATE source.keyed SET v = 7 WHERE v = 8;
UPDATE catreg.mirror SET remote_state = NULL;
SELECT * FROM catreg.refresh_mirror('m');
DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I RESET array_nulls', current_database()); END $$;
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.moods, source.keyed;
DROP TYPE source.mood;

-- what only DEFAULT may set
CREATE TABLE source.numbers (k text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY);
INSERT INTO source.numbers SELECT 'k' || i FROM generate_series(1, 3) i;
CREATE TABLE m.numbers (LIKE source.numbers INCLUDING ALL);
SELECT catreg.create_mirror('here', 'source', 'm');
ALTER TABLE m.numbers ALTER n SET GENERATED BY DEFAULT;
SELECT catreg.create_mirror('here', 'source', 'm');
UPDATE source.numbers SET n = DEFAULT WHERE k = 'k2';
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.numbers;

-- values whose text changes without any row being written
CREATE TYPE source.pair AS (a int, b text);
CREATE TYPE m.pair AS (a int, b text);
CREATE TYPE source.mood AS ENUM ('good', 'bad');
CREATE TYPE m.mood AS ENUM ('good', 'bad');
CREATE DOMAIN source.moods AS source.mood[];
CREATE DOMAIN m.moods AS m.mood[];
CREATE TYPE source.moodrange AS RANGE (SUBTYPE = source.mood);
CREATE TYPE m.moodrange AS RANGE (SUBTYPE = m.mood);
CREATE DOMAIN source.name AS regclass;
CREATE DOMAIN m.name AS regclass;
CREATE TABLE source.pairs (id int PRIMARY KEY, pairs source.pair[]);
CREATE TABLE source.domains (id int PRIMARY KEY, moods source.moods);
CREATE TABLE source.ranges (id int PRIMARY KEY, moods source.moodrange);
CREATE TABLE source.names (id int PRIMARY KEY, name source.name);
CREATE TABLE mirror_named ();
INSERT INTO source.pairs VALUES (1, ARRAY[(1, 'x')::source.pair]);
INSERT INTO source.domains VALUES (1, '{good,bad}');
INSERT INTO source.ranges VALUES (1, '[good,bad]');
INSERT INTO source.names VALUES (1, 'mirror_named');
SELECT catreg.create_mirror('here', 'source', 'm');
SELECT relation FROM catreg.mirror WHERE remote_state IS NOT NULL;
ALTER TYPE source.mood RENAME VALUE 'good' TO 'fine';
SELECT * FROM catreg.refresh_mirror('m');
ALTER TYPE m.mood RENAME VALUE 'good' TO 'fine';
SELECT * FROM catreg.refresh_mirror('m');
ALTER TYPE source.pair ADD ATTRIBUTE c int;
ALTER TYPE m.pair ADD ATTRIBUTE c int;
ALTER TABLE mirror_named RENAME TO mirror_renamed;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source.pairs, source.domains, source.ranges, source.names, mirror_renamed;
DROP TYPE source.pair, source.mood, source.moods, source.moodrange, source.name, m.pair, m.mood, m.moods, m.moodrange, m.name;

-- names
CREATE TABLE source."we""ird %s 'x'" ("catreg checksum" text, "catreg checksum 1" int, "%d" text, PRIMARY KEY ("catreg checksum", "catreg checksum 1"));
INSERT INTO source."we""ird %s 'x'" SELECT 'x' || i, i, '%s' FROM generate_series(1, 100) i;
SELECT catreg.create_mirror('here', 'source', 'm');
DELETE FROM source."we""ird %s 'x'" WHERE "catreg checksum 1" = 7;
UPDATE source."we""ird %s 'x'" SET "%d" = 'v' WHERE "catreg checksum 1" = 8;
SELECT * FROM catreg.refresh_mirror('m');
DELETE FROM source."we""ird %s 'x'" WHERE "catreg checksum 1" = 9;
UPDATE catreg.mirror SET remote_state = NULL;
SELECT * FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
SELECT catreg.drop_mirror('m');
DROP TABLE source."we""ird %s 'x'";

-- more tables that change at once than a list of columns may have columns
DO $$ BEGIN FOR i IN 1..560 LOOP EXECUTE format('CREATE TABLE source.t%s (id int)', i); END LOOP; END $$;
SELECT catreg.create_mirror('here', 'source', 'm');
DO $$ BEGIN FOR i IN 1..560 LOOP EXECUTE format('INSERT INTO source.t%s VALUES (%s)', i, i); END LOOP; END $$;
SELECT count(*), sum(inserted), sum(updated), sum(deleted) FROM catreg.refresh_mirror('m');
SELECT pg_temp.differing();
DO $$ BEGIN FOR i IN 1..560 LOOP EXECUTE format('DROP TABLE m.t%s, source.t%s', i, i); END LOOP; END $$;

DROP SCHEMA source, m CASCADE;
DROP EXTENSION catreg CASCADE;
