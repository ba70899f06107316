--
-- Closures: check_closure and rebuild_closure
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_check;
SET search_path = closure_check, public;
SET statement_timeout = '120s';

CREATE TABLE tree (id int PRIMARY KEY, parent int);
CREATE TABLE closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('tree', 'closure');
INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 15) i;
SELECT closure_is('tree');

-- each kind of damage, what the check lists, and that it is mended to the row
SELECT * FROM catreg.check_closure('tree');
DELETE FROM closure WHERE (ancestor, descendant) IN ((1, 1), (2, 9), (5, 11));
INSERT INTO closure VALUES (7, 8, 1), (99, 4, 3), (4, 98, 5), (97, 97, 0), (15, 1, -1);
UPDATE closure SET depth = 17 WHERE (ancestor, descendant) IN ((6, 13), (14, 14));
UPDATE closure SET depth = NULL WHERE (ancestor, descendant) = (3, 12);
SELECT * FROM catreg.check_closure('tree');
SELECT closure_is('tree');
SELECT catreg.rebuild_closure('tree');
SELECT * FROM catreg.check_closure('tree');
SELECT catreg.rebuild_closure('tree');
SELECT closure_is('tree');
DELETE FROM closure;
SELECT catreg.rebuild_closure('tree');
SELECT closure_is('tree');
ALTER TABLE tree DISABLE TRIGGER USER;
TRUNCATE tree;
ALTER TABLE tree ENABLE TRIGGER USER;
SELECT count(*) FROM catreg.check_closure('tree');
SELECT catreg.rebuild_closure('tree');
SELECT closure_is('tree');

-- statements mend what they touch, and nothing that they do not
INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 15) i;
DELETE FROM closure WHERE descendant IN (5, 6);
UPDATE tree SET parent = 3 WHERE id = 5;
SELECT * FROM catreg.check_closure('tree');
INSERT INTO tree VALUES (16, 6);
SELECT * FROM catreg.check_closure('tree');
SELECT catreg.rebuild_closure('tree');
SELECT closure_is('tree');

-- a table that allows pairs twice, and NULLs
CREATE TABLE loose_tree (id bigint PRIMARY KEY, parent bigint REFERENCES loose_tree ON DELETE CASCADE);
CREATE TABLE loose (ancestor bigint, descendant bigint, depth int);
SELECT catreg.create_closure('loose_tree', 'loose');
INSERT INTO loose_tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 7) i;
SELECT closure_is('loose_tree');
INSERT INTO loose SELECT * FROM loose WHERE descendant = 5;
INSERT INTO loose VALUES (1, 2, 9), (NULL, 3, 1), (3, NULL, 1), (NULL, NULL, NULL), (2, 3, NULL);
SELECT * FROM catreg.check_closure('loose_tree');
SELECT catreg.rebuild_closure('loose_tree');
SELECT closure_is('loose_tree');
UPDATE loose_tree SET parent = 6 WHERE id = 5;
SELECT closure_is('loose_tree');
CREATE UNIQUE INDEX ON loose (descendant, ancestor);
INSERT INTO loose_tree VALUES (8, 5);
SELECT closure_is('loose_tree');
DELETE FROM loose_tree WHERE id = 6;
SELECT closure_is('loose_tree');

-- a foreign-keyed tree whose closure lacks a parent's rows
CREATE TABLE held (id int PRIMARY KEY, parent int REFERENCES held ON DELETE CASCADE);
CREATE TABLE held_closure (ancestor int REFERENCES held ON DELETE CASCADE, descendant int REFERENCES held ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
SELECT catreg.create_closure('held', 'held_closure');
INSERT INTO held SELECT i, nullif(i / 2, 0) FROM generate_series(1, 7) i;
DELETE FROM held_closure WHERE descendant IN (3, 6);
SET client_min_messages = debug1;
INSERT INTO held VALUES (8, 6), (9, 8), (10, 5);
RESET client_min_messages;
SELECT * FROM catreg.check_closure('held');
SELECT catreg.rebuild_closure('held');
SELECT closure_is('held');
SELECT refreshed > now() - interval '1 hour' FROM catreg.closure WHERE tree = 'held'::regclass;

-- a circle made while the triggers were off: a clear error, and no endless loop
SET statement_timeout = '30s';
ALTER TABLE held DISABLE TRIGGER USER;
UPDATE held SET parent = 9 WHERE id = 6;
ALTER TABLE held ENABLE TRIGGER USER;
SELECT catreg.check_closure('held');
SELECT catreg.rebuild_closure('held');
SELECT catreg.drop_closure('held');
UPDATE held SET parent = 1 WHERE id = 6;
SELECT catreg.create_closure('held', 'held_closure');
SELECT closure_is('held');
ALTER TABLE held DISABLE TRIGGER USER;
UPDATE held SET parent = 9 WHERE id = 6;
ALTER TABLE held ENABLE TRIGGER USER;
UPDATE held SET parent = 2 WHERE id = 8;
SELECT catreg.rebuild_closure('held');
SELECT closure_is('held');
ALTER TABLE held DISABLE TRIGGER USER;
UPDATE held SET parent = 9 WHERE id = 8;
ALTER TABLE held ENABLE TRIGGER USER;
UPDATE held SET parent = 9 WHERE id = 2;
INSERT INTO held VALUES (20, 8);
DELETE FROM held WHERE id = 9;
SELECT catreg.rebuild_closure('held');
SELECT closure_is('held');

-- who may
CREATE ROLE closure_check_nobody;
GRANT USAGE ON SCHEMA closure_check TO closure_check_nobody;
GRANT SELECT ON tree TO closure_check_nobody;
SET ROLE closure_check_nobody;
SELECT catreg.check_closure('tree');
SELECT catreg.rebuild_closure('tree');
SELECT catreg.drop_closure('tree');
SELECT catreg.create_closure('tree', 'closure');
RESET ROLE;
GRANT SELECT ON closure TO closure_check_nobody;
SET ROLE closure_check_nobody;
SELECT count(*) FROM catreg.check_closure('tree');
RESET ROLE;

-- within a transaction whose snapshot is older than what it has to see
CREATE TABLE young (id int PRIMARY KEY, parent int);
CREATE TABLE young_closure (LIKE closure INCLUDING ALL);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM young;
INSERT INTO young VALUES (1, NULL), (2, 1);
SELECT catreg.create_closure('young', 'young_closure');
SELECT closure_is('young');
COMMIT;
SELECT closure_is('young');

SET client_min_messages = warning;
DROP SCHEMA closure_check CASCADE;
DROP ROLE closure_check_nobody;
