--
-- Closures: session_replication_role, and triggers switched off
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_replica;
SET search_path = closure_replica, public;
SET statement_timeout = '120s';

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
CREATE TABLE parts (id int PRIMARY KEY, parent int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('tree', 'closure'), catreg.create_closure('parts', 'parts_closure');
CREATE TABLE part_2 (parent int, id int NOT NULL);
ALTER TABLE parts ATTACH PARTITION part_2 FOR VALUES FROM (10) TO (20);
INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 20) i;
INSERT INTO parts SELECT i, nullif(i / 2, 0) FROM generate_series(1, 15) i;

-- the closure follows at the end of each transaction
SET session_replication_role = replica;
INSERT INTO tree VALUES (21, 10), (23, 22), (22, 21);
SELECT closure_is('tree');
BEGIN;
INSERT INTO tree VALUES (25, 24);
INSERT INTO tree VALUES (24, 23);
UPDATE tree SET parent = 3 WHERE id = 21;
SAVEPOINT a;
DELETE FROM tree WHERE id = 3;
ROLLBACK TO a;
DELETE FROM tree WHERE id IN (20, 5);
SAVEPOINT b;
INSERT INTO tree VALUES (30, 1);
RELEASE b;
UPDATE tree SET id = 31 WHERE id = 30;
INSERT INTO tree VALUES (33, 31), (32, 31);
COMMIT;
SELECT closure_is('tree');
INSERT INTO parts VALUES (16, 8), (17, 16);
INSERT INTO part_2 VALUES (17, 18), (18, 19);
UPDATE parts SET id = 9, parent = 1 WHERE id = 9;
DELETE FROM part_1 WHERE id = 5;
SELECT closure_is('parts');
-- what no foreign key stops there
DELETE FROM tree WHERE id = 2;
SELECT closure_is('tree');
INSERT INTO tree VALUES (2, 1);
SELECT closure_is('tree');
-- circles, at the end
BEGIN;
UPDATE tree SET parent = 4 WHERE id = 2;
COMMIT;
BEGIN;
UPDATE tree SET parent = 4 WHERE id = 2;
UPDATE tree SET parent = 1 WHERE id = 4;
COMMIT;
SELECT closure_is('tree');
-- the role changes within a transaction
BEGIN;
INSERT INTO tree VALUES (40, 2);
SET LOCAL session_replication_role = origin;
INSERT INTO tree VALUES (41, 40);
SET LOCAL session_replication_role = replica;
UPDATE tree SET parent = 41 WHERE id = 4;
RESET session_replication_role;
UPDATE tree SET parent = 33 WHERE id = 40;
COMMIT;
SELECT closure_is('tree');
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO tree VALUES (43, 42), (42, 41);
DELETE FROM tree WHERE id = 42;
INSERT INTO tree VALUES (42, 41);
SET LOCAL session_replication_role = origin;
COMMIT;
SELECT closure_is('tree');
-- a closure, and a tree, dropped in the same transaction; two trees in one
BEGIN;
INSERT INTO tree VALUES (50, 1);
SELECT catreg.drop_closure('tree');
COMMIT;
SELECT catreg.create_closure('tree', 'closure');
SELECT closure_is('tree');
BEGIN;
CREATE TABLE brief (id int PRIMARY KEY, parent int);
CREATE TABLE brief_closure (LIKE parts_closure INCLUDING ALL);
SELECT catreg.create_closure('brief', 'brief_closure');
SET LOCAL session_replication_role = replica;
INSERT INTO brief VALUES (2, 1), (1, NULL);
INSERT INTO tree VALUES (51, 50);
INSERT INTO parts VALUES (0, 4);
DROP TABLE brief;
COMMIT;
SELECT closure_is('tree'), closure_is('parts');
-- a closure's trigger, which touches another tree
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO tree VALUES (1000 + new.descendant, 1); RETURN NULL; END';
CREATE TRIGGER touch AFTER INSERT ON parts_closure FOR EACH ROW WHEN (new.depth = 0) EXECUTE FUNCTION touch();
ALTER TABLE parts_closure ENABLE ALWAYS TRIGGER touch;
DELETE FROM parts WHERE id IN (6, 7);
SET session_replication_role = replica;
INSERT INTO parts VALUES (6, 2);
RESET session_replication_role;
SELECT count(*) FROM tree WHERE id = 1006;
SELECT closure_is('tree'), closure_is('parts');
DROP TRIGGER touch ON parts_closure;
CREATE CONSTRAINT TRIGGER touch AFTER INSERT ON parts_closure DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.depth = 0) EXECUTE FUNCTION touch();
ALTER TABLE parts_closure ENABLE ALWAYS TRIGGER touch;
SET session_replication_role = replica;
INSERT INTO parts VALUES (7, 2);
RESET session_replication_role;
SELECT count(*) FROM tree WHERE id = 1007;
SELECT closure_is('tree'), closure_is('parts');
DROP TRIGGER touch ON parts_closure;
-- TRUNCATE
SET session_replication_role = replica;
BEGIN;
INSERT INTO parts VALUES (5, 1);
TRUNCATE parts;
INSERT INTO parts VALUES (2, 1);
ALTER TABLE parts ADD COLUMN note text;
COMMIT;
SELECT closure_is('parts');
TRUNCATE part_1;
SELECT closure_is('parts');
TRUNCATE tree CASCADE;
SELECT closure_is('tree');
COPY tree FROM stdin;
3	2
2	1
1	\N
\.
SELECT closure_is('tree');
RESET session_replication_role;
SELECT closure_is('tree');
UPDATE tree SET parent = 1 WHERE id = 3;
SELECT closure_is('tree');

-- ALTER TABLE ... ENABLE TRIGGER ALL, as pg_restore --disable-triggers has it, changes nothing
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'tree'::regclass AND NOT tgisinternal ORDER BY 1;
ALTER TABLE tree DISABLE TRIGGER ALL;
INSERT INTO tree VALUES (4, 3);
SELECT closure_is('tree');
ALTER TABLE tree ENABLE TRIGGER ALL;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'tree'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT catreg.rebuild_closure('tree');
SELECT closure_is('tree');
ALTER TABLE parts DISABLE TRIGGER USER;
ALTER TABLE parts ENABLE TRIGGER USER;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
WHERE tgrelid IN (SELECT relid FROM pg_partition_tree('parts')) AND NOT tgisinternal ORDER BY tgrelid::regclass::text, 2;
-- nor does a trigger that fires where it should not
ALTER TABLE tree ENABLE TRIGGER catreg_closure_collect;
INSERT INTO tree VALUES (5, 4);
UPDATE tree SET parent = 1 WHERE id = 4;
SELECT closure_is('tree');
SELECT catreg.drop_closure('tree');
SET session_replication_role = replica;
INSERT INTO tree VALUES (6, 5);
RESET session_replication_role;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tree'::regclass AND NOT tgisinternal;
-- prepared plans of both roles
SELECT catreg.create_closure('tree', 'closure');
PREPARE put (int, int) AS INSERT INTO tree VALUES ($1, $2);
EXECUTE put (7, 6);
SET session_replication_role = replica;
EXECUTE put (8, 7);
RESET session_replication_role;
EXECUTE put (9, 8);
DELETE FROM tree WHERE id = 7;
SELECT closure_is('tree');

SET client_min_messages = warning;
DROP SCHEMA closure_replica CASCADE;
