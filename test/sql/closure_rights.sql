--
-- Closures: clients that may do little
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_rights;
SET search_path = closure_rights, public;
SET statement_timeout = '120s';

CREATE ROLE closure_rights_owner;
CREATE ROLE closure_rights_writer;
CREATE ROLE closure_rights_other;
GRANT ALL ON SCHEMA closure_rights TO closure_rights_owner;
GRANT USAGE ON SCHEMA closure_rights TO closure_rights_writer, closure_rights_other;

SET ROLE closure_rights_owner;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, who name DEFAULT current_user);
CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
CREATE TABLE free (id int PRIMARY KEY, parent int, who name DEFAULT current_user);
CREATE TABLE free_closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('tree', 'closure'), catreg.create_closure('free', 'free_closure');
INSERT INTO tree VALUES (1, NULL), (2, 1);
INSERT INTO free VALUES (1, NULL), (2, 1);

-- whoever may write the tree needs no right on the closure
GRANT INSERT ON tree, free TO closure_rights_writer;
SET ROLE closure_rights_writer;
INSERT INTO tree VALUES (3, 2), (4, 3);
INSERT INTO free VALUES (3, 2), (4, 3);
UPDATE tree SET parent = 1;
SELECT * FROM closure;
INSERT INTO closure VALUES (1, 4, 7);
DELETE FROM catreg.closure;
UPDATE catreg.closure SET closure = 'pg_class';
SELECT catreg.closure_define('tree', 'closure', 'id', 'parent', 'ancestor', 'descendant', 'depth');
SELECT catreg.closure_undefine('tree');
SELECT catreg.closure_remove_triggers('tree');
SET ROLE closure_rights_owner;
GRANT SELECT, UPDATE, DELETE, TRUNCATE ON tree, free TO closure_rights_writer;
SET ROLE closure_rights_writer;
UPDATE tree SET parent = 1 WHERE id = 3;
UPDATE free SET parent = 1 WHERE id = 3;
DELETE FROM tree WHERE id = 4;
DELETE FROM free WHERE id = 3;
RESET ROLE;
SELECT closure_is('tree'), closure_is('free');
SET ROLE closure_rights_writer;
TRUNCATE free;
TRUNCATE tree CASCADE;
RESET ROLE;
SELECT closure_is('tree'), closure_is('free');
SELECT count(*) FROM catreg.closure WHERE tree IN ('tree'::regclass, 'free'::regclass);

-- row security on the trees, which a role sees the less of
INSERT INTO free VALUES (1, NULL), (2, 1);
ALTER TABLE tree ENABLE ROW LEVEL SECURITY;
ALTER TABLE free ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tree USING (who = current_user);
CREATE POLICY own ON free USING (who = current_user);
SET ROLE closure_rights_writer;
INSERT INTO tree VALUES (10, 2), (11, 10);
INSERT INTO free VALUES (10, 2), (11, 10);
INSERT INTO tree VALUES (12, 1, 'somebody');
SELECT * FROM tree ORDER BY id;
UPDATE tree SET parent = 1;
UPDATE free SET parent = 1;
DELETE FROM tree WHERE id = 11;
DELETE FROM free WHERE id IN (1, 10);
RESET ROLE;
SELECT closure_is('tree'), closure_is('free');
ALTER TABLE tree FORCE ROW LEVEL SECURITY;
ALTER TABLE free FORCE ROW LEVEL SECURITY;
SET ROLE closure_rights_writer;
INSERT INTO tree VALUES (13, 2), (14, 13);
INSERT INTO free VALUES (13, 2), (14, 13);
UPDATE tree SET parent = 1 WHERE id = 13;
UPDATE free SET parent = 1 WHERE id = 13;
SET ROLE closure_rights_owner;
INSERT INTO tree VALUES (15, 13), (16, 15);
INSERT INTO free VALUES (15, 13), (16, 15);
SELECT count(*) FROM tree;
UPDATE tree SET parent = 13 WHERE id = 16;
UPDATE free SET parent = 13 WHERE id = 16;
SELECT catreg.rebuild_closure('tree'), catreg.rebuild_closure('free');
SET ROLE closure_rights_writer;
DELETE FROM tree WHERE id = 13;
DELETE FROM free WHERE id = 13;
RESET ROLE;
SELECT closure_is('tree'), closure_is('free');

-- tables of two owners
SET ROLE closure_rights_owner;
CREATE TABLE mine (id int PRIMARY KEY, parent int);
CREATE TABLE mine_closure (LIKE closure INCLUDING ALL);
RESET ROLE;
CREATE TABLE yours (LIKE mine INCLUDING ALL);
CREATE TABLE yours_closure (LIKE closure INCLUDING ALL);
SELECT catreg.create_closure('mine', 'yours_closure');
SELECT catreg.create_closure('yours', 'mine_closure');
SET ROLE closure_rights_owner;
SELECT catreg.create_closure('mine', 'yours_closure');
SELECT catreg.create_closure('yours', 'mine_closure');
SELECT catreg.create_closure('mine', 'mine_closure');
RESET ROLE;
-- a change of owner has to be one of both tables
ALTER TABLE mine OWNER TO closure_rights_other;
SET ROLE closure_rights_other;
INSERT INTO mine VALUES (1);
RESET ROLE;
ALTER TABLE mine_closure OWNER TO closure_rights_other;
SET ROLE closure_rights_other;
INSERT INTO mine VALUES (1);
UPDATE mine SET id = 2;
RESET ROLE;
SELECT closure_is('mine');

-- whose rights a closure's trigger and default have: its owner's
SET ROLE closure_rights_owner;
CREATE FUNCTION say_who() RETURNS name LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''as %'', current_user; RETURN current_user; END';
ALTER TABLE closure ADD COLUMN who name DEFAULT say_who();
SET ROLE closure_rights_writer;
INSERT INTO tree VALUES (20, NULL);
SELECT current_user;
INSERT INTO tree VALUES (20, NULL);
SELECT current_user;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA closure_rights CASCADE;
DROP ROLE closure_rights_owner, closure_rights_writer, closure_rights_other;
