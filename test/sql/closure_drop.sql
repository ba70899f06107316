--
-- Closures: tables and definitions that go
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_drop;
SET search_path = closure_drop, public;
SET statement_timeout = '120s';

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
CREATE VIEW here AS
    SELECT (SELECT count(*) FROM catreg.closure c WHERE c.tree::text ~ 'closure_drop|^tree$|^free$|^[0-9]+$') AS definitions,
           (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%' AND tgrelid IN
               (SELECT oid FROM pg_class WHERE relnamespace = 'closure_drop'::regnamespace)) AS triggers;

-- drop_closure leaves the rows and lets go; create_closure mends what happened meanwhile
SELECT catreg.create_closure('tree', 'closure');
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
SELECT * FROM here;
SELECT catreg.drop_closure('tree');
SELECT * FROM here;
SELECT catreg.drop_closure('tree');
INSERT INTO tree VALUES (4, 3);
UPDATE tree SET parent = 1 WHERE id = 3;
SELECT * FROM closure ORDER BY descendant, depth;
SELECT catreg.create_closure('tree', 'closure');
SELECT closure_is('tree');
INSERT INTO tree VALUES (5, 4);
SELECT closure_is('tree');
-- with another table, other columns
CREATE TABLE second (depth int REFERENCES tree, ancestor int REFERENCES tree ON DELETE CASCADE, descendant int);
SELECT catreg.drop_closure('tree'), catreg.create_closure('tree', 'second', 'id', 'parent', 'depth', 'ancestor', 'descendant');
INSERT INTO tree VALUES (6, 5), (7, 6);
UPDATE tree SET parent = 1 WHERE id = 6;
SELECT closure_is('tree');
SELECT count(*) FROM closure;
SELECT catreg.drop_closure('tree'), catreg.create_closure('tree', 'closure');
INSERT INTO tree VALUES (8, 7);
UPDATE tree SET parent = 1 WHERE id = 8;
SELECT closure_is('tree');
-- rolled back, either way
BEGIN;
SELECT catreg.drop_closure('tree');
INSERT INTO tree VALUES (9, 7);
ROLLBACK;
INSERT INTO tree VALUES (9, 8);
SELECT closure_is('tree');
BEGIN;
SAVEPOINT s;
SELECT catreg.drop_closure('tree');
CREATE TABLE third (LIKE closure INCLUDING ALL);
SELECT catreg.create_closure('tree', 'third');
INSERT INTO tree VALUES (10, 9);
SELECT closure_is('tree');
ROLLBACK TO s;
INSERT INTO tree VALUES (11, 9);
SELECT closure_is('tree');
COMMIT;
SELECT * FROM here;

-- the closure table is dropped: the tree goes on without
DROP TABLE closure;
SELECT * FROM here;
INSERT INTO tree VALUES (12, 9);
UPDATE tree SET parent = 1 WHERE id = 12;
DELETE FROM tree WHERE id = 12;
SELECT catreg.check_closure('tree');
BEGIN;
CREATE TABLE closure (LIKE second);
SELECT catreg.create_closure('tree', 'second', 'id', 'parent', 'depth', 'ancestor', 'descendant');
DROP TABLE second, closure;
INSERT INTO tree VALUES (12, 9);
SELECT * FROM here;
ROLLBACK;
SELECT catreg.create_closure('tree', 'second', 'id', 'parent', 'depth', 'ancestor', 'descendant');
SELECT closure_is('tree');
-- the tree is dropped
DROP TABLE tree;
DROP TABLE tree CASCADE;
SELECT * FROM here;
INSERT INTO second VALUES (1, 2, 3);
-- both; by their schema; by their owner
CREATE TABLE tree (id int PRIMARY KEY, parent int);
CREATE TABLE closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('tree', 'closure');
DROP TABLE closure, tree;
SELECT * FROM here;
CREATE SCHEMA elsewhere;
CREATE TABLE tree (id int PRIMARY KEY, parent int);
CREATE TABLE elsewhere.closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('tree', 'elsewhere.closure');
SET client_min_messages = warning;
DROP SCHEMA elsewhere CASCADE;
RESET client_min_messages;
SELECT * FROM here;
INSERT INTO tree VALUES (1, NULL);
CREATE ROLE closure_drop_owner;
GRANT USAGE ON SCHEMA closure_drop TO closure_drop_owner;
CREATE TABLE closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
ALTER TABLE tree OWNER TO closure_drop_owner;
ALTER TABLE closure OWNER TO closure_drop_owner;
SELECT catreg.create_closure('tree', 'closure');
-- by whom no right on catreg's tables is asked for
SET ROLE closure_drop_owner;
DROP TABLE closure_drop.closure;
RESET ROLE;
SELECT * FROM here;
CREATE TABLE closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
ALTER TABLE closure OWNER TO closure_drop_owner;
SELECT catreg.create_closure('tree', 'closure');
DROP OWNED BY closure_drop_owner;
SELECT * FROM here;
DROP ROLE closure_drop_owner;
-- what a closure needs of its tables
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('tree', 'closure');
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
ALTER TABLE closure DROP CONSTRAINT closure_ancestor_fkey;
DELETE FROM tree WHERE id = 3;
SELECT closure_is('tree');
ALTER TABLE tree DROP CONSTRAINT tree_parent_fkey;
INSERT INTO tree VALUES (4, 3);
INSERT INTO tree VALUES (3, 2);
DELETE FROM tree WHERE id = 2;
SELECT closure_is('tree');
UPDATE tree SET parent = NULL WHERE id = 3;
ALTER TABLE tree ADD FOREIGN KEY (parent) REFERENCES tree;
INSERT INTO tree VALUES (5, 4);
SELECT closure_is('tree');
ALTER TABLE closure DROP CONSTRAINT closure_pkey;
INSERT INTO tree VALUES (6, 5), (7, 6);
UPDATE tree SET parent = 1 WHERE id = 6;
SELECT closure_is('tree');

-- the extension is dropped, and comes back within one session
DROP DATABASE IF EXISTS closure_drop;
CREATE DATABASE closure_drop;
\c closure_drop
CREATE EXTENSION catreg;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE closure (ancestor int, descendant int, depth int);
SELECT catreg.create_closure('tree', 'closure');
INSERT INTO tree VALUES (1, NULL), (2, 1);
DROP EXTENSION catreg;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION catreg CASCADE;
RESET client_min_messages;
SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal;
SELECT count(*) FROM pg_event_trigger;
INSERT INTO tree VALUES (3, 2);
CREATE EXTENSION catreg;
SELECT catreg.create_closure('tree', 'closure');
INSERT INTO tree VALUES (4, 3);
SELECT * FROM catreg.check_closure('tree');
SELECT catreg.drop_closure('tree');
CREATE TABLE second (LIKE closure);
SELECT catreg.create_closure('tree', 'second');
INSERT INTO tree VALUES (5, 4);
SELECT * FROM catreg.check_closure('tree');
SELECT count(*) FROM second;
DROP TABLE second;
SET client_min_messages = warning;
DROP SCHEMA catreg CASCADE;
RESET client_min_messages;
SELECT extname FROM pg_extension WHERE extname = 'catreg';
CREATE EXTENSION catreg;
SELECT catreg.create_closure('tree', 'closure');
DROP SCHEMA public CASCADE;
SELECT * FROM catreg.closure;
DROP EXTENSION catreg;
\c contrib_regression
DROP DATABASE closure_drop;
SET client_min_messages = warning;
DROP SCHEMA closure_drop CASCADE;
