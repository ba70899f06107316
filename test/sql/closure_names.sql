--
-- Closures: any names, wherever they lead
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_names;
SET search_path = closure_names, public;
SET statement_timeout = '120s';

-- names that have to be quoted, of tables, columns and schemas
CREATE SCHEMA "My ""Schema"" %s";
CREATE TABLE "My ""Schema"" %s"."select" ("ID of it" int PRIMARY KEY, "from" int REFERENCES "My ""Schema"" %s"."select" ON DELETE CASCADE, "ünïcode" text);
CREATE TABLE "My ""Schema"" %s"."ORDER BY" ("table" int REFERENCES "My ""Schema"" %s"."select" ON DELETE CASCADE,
    "A'b" int REFERENCES "My ""Schema"" %s"."select" ON DELETE CASCADE, "De""pth\" int, PRIMARY KEY ("table", "A'b"));
SELECT catreg.create_closure('"My ""Schema"" %s"."select"', '"My ""Schema"" %s"."ORDER BY"', 'ID of it', 'from', 'table', 'A''b', 'De"pth\');
INSERT INTO "My ""Schema"" %s"."select" SELECT i, nullif(i / 2, 0) FROM generate_series(1, 20) i;
UPDATE "My ""Schema"" %s"."select" SET "from" = 3 WHERE "ID of it" = 4;
DELETE FROM "My ""Schema"" %s"."select" WHERE "ID of it" = 5;
SELECT closure_is('"My ""Schema"" %s"."select"');
DELETE FROM "My ""Schema"" %s"."ORDER BY" WHERE "De""pth\" = 2;
SELECT catreg.rebuild_closure('"My ""Schema"" %s"."select"');
SELECT closure_is('"My ""Schema"" %s"."select"');
SELECT catreg.drop_closure('"My ""Schema"" %s"."select"');
SELECT count(*) FROM pg_trigger WHERE tgrelid = '"My ""Schema"" %s"."select"'::regclass AND NOT tgisinternal;
SET client_min_messages = warning;
DROP SCHEMA "My ""Schema"" %s" CASCADE;
RESET client_min_messages;

-- names that queries about closures use themselves
CREATE TABLE affected (depth int PRIMARY KEY, ancestor int, way int, node int);
CREATE TABLE expected (id int, parent int, c int, PRIMARY KEY (id, parent));
SELECT catreg.create_closure('affected', 'expected', 'depth', 'ancestor', 'id', 'parent', 'c');
INSERT INTO affected SELECT i, nullif(i / 3, 0) FROM generate_series(1, 20) i;
UPDATE affected SET ancestor = 1 WHERE depth = 7;
DELETE FROM affected WHERE depth = 7;
SELECT closure_is('affected');
CREATE TABLE difference (row int PRIMARY KEY, relation int REFERENCES difference ON DELETE CASCADE);
CREATE TABLE catreg_rows (expected int REFERENCES difference ON DELETE CASCADE, descendant int REFERENCES difference ON DELETE CASCADE,
    row int, PRIMARY KEY (descendant, expected));
SELECT catreg.create_closure('difference', 'catreg_rows', 'row', 'relation', 'expected', 'descendant', 'row');
SET catreg.fk_check = row;
INSERT INTO difference SELECT i, nullif(i / 3, 0) FROM generate_series(1, 20) i;
RESET catreg.fk_check;
INSERT INTO difference SELECT i, nullif(i / 3, 0) FROM generate_series(21, 30) i;
UPDATE difference SET relation = 1 WHERE row = 7;
DELETE FROM difference WHERE row = 7;
SELECT closure_is('difference');

-- a search path that leads to something else
CREATE TABLE tree (id int PRIMARY KEY, parent int);
CREATE TABLE closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
CREATE TABLE held (id int PRIMARY KEY, parent int REFERENCES held ON DELETE CASCADE);
CREATE TABLE held_closure (ancestor int REFERENCES held ON DELETE CASCADE, descendant int REFERENCES held ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
CREATE SCHEMA trap;
CREATE FUNCTION trap.lie(int, int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.lie(int[], int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.unnest(int[]) RETURNS SETOF int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.lie(regclass, regclass) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.lie(regclass, oid) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT -1';
CREATE AGGREGATE trap.count(*) (sfunc = trap.count, stype = bigint, initcond = '7');
CREATE OPERATOR trap.= (leftarg = int, rightarg = int, function = trap.lie);
CREATE OPERATOR trap.<> (leftarg = int, rightarg = int, function = trap.lie);
CREATE OPERATOR trap.+ (leftarg = int, rightarg = int, function = trap.lie);
CREATE OPERATOR trap.= (leftarg = regclass, rightarg = regclass, function = trap.lie);
CREATE OPERATOR trap.= (leftarg = regclass, rightarg = oid, function = trap.lie);
CREATE TABLE trap.tree (id int PRIMARY KEY, parent int);
CREATE TABLE trap.closure (LIKE closure);
CREATE TABLE trap.catreg_rows (ancestor int, descendant int, depth int);
CREATE TABLE trap.affected (id int);
CREATE DOMAIN trap.int8 AS text;
SET search_path = trap, pg_catalog, closure_names;
SELECT catreg.create_closure('closure_names.tree', 'closure_names.closure');
SELECT catreg.create_closure('held', 'held_closure');
INSERT INTO closure_names.tree VALUES (1, NULL), (3, 2), (2, 1), (4, 3);
UPDATE closure_names.tree SET parent = NULL WHERE pg_catalog.int4eq(id, 3);
DELETE FROM closure_names.tree WHERE pg_catalog.int4eq(id, 1);
INSERT INTO held VALUES (1, NULL), (3, 2), (2, 1), (4, 3);
SET catreg.fk_check = row;
INSERT INTO held VALUES (5, 4);
UPDATE held SET parent = NULL WHERE pg_catalog.int4eq(id, 3);
DELETE FROM held WHERE pg_catalog.int4eq(id, 1);
RESET catreg.fk_check;
SELECT catreg.check_closure('closure_names.tree');
SELECT catreg.rebuild_closure('closure_names.tree');
DELETE FROM closure_names.closure;
SELECT catreg.rebuild_closure('closure_names.tree');
SELECT public.closure_is('closure_names.tree'), public.closure_is('held');
SELECT catreg.drop_closure('closure_names.tree'), catreg.create_closure('closure_names.tree', 'closure_names.closure');
-- a path with nothing on it
SET search_path = pg_catalog;
INSERT INTO closure_names.tree VALUES (5, 4), (1, 5);
UPDATE closure_names.held SET parent = 3 WHERE id = 5;
SELECT public.closure_is('closure_names.tree'), public.closure_is('closure_names.held');
SET search_path = '';
CREATE TEMP TABLE tree (id int);
CREATE TEMP TABLE closure (id int);
INSERT INTO closure_names.tree VALUES (6, 1);
SELECT public.closure_is('closure_names.tree'), public.closure_is('closure_names.held');
DROP TABLE pg_temp.tree, pg_temp.closure;
SET search_path = closure_names, public;

-- tables and columns that get another name
CREATE TABLE "T" (id int PRIMARY KEY, parent int REFERENCES "T" ON DELETE CASCADE);
CREATE TABLE "C" (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('"T"', '"C"');
INSERT INTO "T" VALUES (1, NULL), (2, 1), (3, 2);
ALTER TABLE "T" RENAME TO t_new;
ALTER TABLE "C" RENAME TO c_new;
INSERT INTO t_new VALUES (4, 3);
UPDATE t_new SET parent = 1 WHERE id = 3;
SELECT closure_is('t_new');
ALTER TABLE t_new SET SCHEMA trap;
ALTER TABLE c_new SET SCHEMA public;
INSERT INTO trap.t_new VALUES (5, 4);
UPDATE trap.t_new SET parent = 2 WHERE id = 3;
DELETE FROM trap.t_new WHERE id = 5;
SELECT closure_is('trap.t_new');
ALTER TABLE trap.t_new RENAME id TO parent_id;
ALTER TABLE trap.t_new RENAME parent TO id;
ALTER TABLE public.c_new RENAME COLUMN ancestor TO "Up";
ALTER TABLE public.c_new RENAME COLUMN depth TO ancestor;
ALTER TABLE public.c_new RENAME COLUMN descendant TO down;
ALTER TABLE trap.t_new RENAME CONSTRAINT "T_pkey" TO id;
SELECT tree, closure, id, parent, ancestor, descendant, depth FROM catreg.closure WHERE tree = 'trap.t_new'::regclass;
INSERT INTO trap.t_new (parent_id, id) VALUES (6, 4);
UPDATE trap.t_new SET id = 1 WHERE parent_id = 4;
DELETE FROM trap.t_new WHERE parent_id = 3;
SELECT closure_is('trap.t_new');
-- columns of another type, and gone: a clear error, and a way out
ALTER TABLE trap.t_new ALTER parent_id TYPE bigint;
INSERT INTO trap.t_new (parent_id, id) VALUES (7, 1);
ALTER TABLE trap.t_new ALTER parent_id TYPE int;
INSERT INTO trap.t_new (parent_id, id) VALUES (7, 1);
SELECT closure_is('trap.t_new');
ALTER TABLE public.c_new DROP COLUMN ancestor;
INSERT INTO trap.t_new (parent_id, id) VALUES (8, 1);
SELECT catreg.check_closure('trap.t_new');
SELECT catreg.drop_closure('trap.t_new');
INSERT INTO trap.t_new (parent_id, id) VALUES (8, 1);
ALTER TABLE public.c_new ADD COLUMN depth int;
SELECT catreg.create_closure('trap.t_new', 'public.c_new', 'parent_id', 'id', 'Up', 'down');
SELECT closure_is('trap.t_new');

SET client_min_messages = warning;
DROP TABLE public.c_new;
DROP SCHEMA trap CASCADE;
DROP SCHEMA closure_names CASCADE;
