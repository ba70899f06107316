--
-- Closures: what is refused
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_refusals;
SET search_path = closure_refusals, public;
SET statement_timeout = '120s';

CREATE TABLE tree (id int PRIMARY KEY, parent int, big bigint, note text);
CREATE TABLE closure (ancestor int, descendant int, depth int, big bigint, PRIMARY KEY (ancestor, descendant));

-- columns
SELECT catreg.create_closure('tree', 'closure', id => 'nodeid');
SELECT catreg.create_closure('tree', 'closure', id => 'ctid');
SELECT catreg.create_closure('tree', 'closure', parent => 'big');
SELECT catreg.create_closure('tree', 'closure', parent => 'note');
SELECT catreg.create_closure('tree', 'closure', ancestor => 'big');
SELECT catreg.create_closure('tree', 'closure', depth => 'big');
SELECT catreg.create_closure('tree', 'closure', descendant => 'nothing');
SELECT catreg.create_closure('tree', 'closure', id => 'parent');
CREATE TABLE uuids (id uuid PRIMARY KEY, parent uuid);
SELECT catreg.create_closure('uuids', 'closure');
CREATE TABLE bigs (id bigint PRIMARY KEY, parent bigint);
SELECT catreg.create_closure('bigs', 'closure');
CREATE DOMAIN number AS int;
CREATE TABLE domains (id number PRIMARY KEY, parent number);
SELECT catreg.create_closure('domains', 'closure');
CREATE TABLE smalls (id smallint PRIMARY KEY, parent smallint);
SELECT catreg.create_closure('smalls', 'closure');

-- ids that are not unique, or not all of them, or not at every moment
CREATE TABLE many (id int, parent int, other int UNIQUE);
SELECT catreg.create_closure('many', 'closure');
CREATE UNIQUE INDEX ON many (id) WHERE id > 0;
CREATE UNIQUE INDEX ON many (id, other);
CREATE UNIQUE INDEX ON many (abs(id));
CREATE INDEX ON many (id);
ALTER TABLE many ADD UNIQUE (id) DEFERRABLE;
SELECT catreg.create_closure('many', 'closure');
CREATE UNIQUE INDEX ON many (id) INCLUDE (parent);
SELECT catreg.create_closure('many', 'closure');
INSERT INTO many VALUES (2, 1), (1, NULL);
SELECT closure_is('many');
INSERT INTO many VALUES (NULL, 1);
-- one closure of a tree, and one tree of a closure
SELECT catreg.create_closure('many', 'closure');
SELECT catreg.create_closure('tree', 'closure');
SELECT catreg.drop_closure('many');

-- what is no table
CREATE VIEW a_view AS TABLE tree;
CREATE MATERIALIZED VIEW a_matview AS TABLE closure;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (id int, parent int);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nothing FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE a_foreign_table (id int, parent int) SERVER nothing;
SELECT catreg.create_closure('a_view', 'closure');
SELECT catreg.create_closure('tree', 'a_matview');
SELECT catreg.create_closure('a_sequence', 'closure');
SELECT catreg.create_closure('tree_pkey', 'closure');
SELECT catreg.create_closure('a_type', 'closure');
SELECT catreg.create_closure('a_foreign_table', 'closure');
SELECT catreg.create_closure('nothing', 'closure');
SELECT catreg.create_closure(0, 'closure');
CREATE TEMP TABLE short (id int PRIMARY KEY, parent int);
CREATE TEMP TABLE short_closure (LIKE closure INCLUDING ALL);
SELECT catreg.create_closure('short', 'short_closure');
SELECT catreg.create_closure('tree', 'short_closure');
CREATE UNLOGGED TABLE unlogged (LIKE closure INCLUDING ALL);
SELECT catreg.create_closure('tree', 'unlogged');
CREATE TABLE both_in_one (id int PRIMARY KEY, parent int, ancestor int, descendant int, depth int);
SELECT catreg.create_closure('both_in_one', 'both_in_one');

-- inheritance, before and after
CREATE TABLE mother (id int PRIMARY KEY, parent int);
CREATE TABLE child () INHERITS (mother);
CREATE TABLE mother_closure (LIKE closure INCLUDING ALL);
SELECT catreg.create_closure('mother', 'mother_closure');
SELECT catreg.create_closure('child', 'mother_closure');
DROP TABLE child;
SELECT catreg.create_closure('mother', 'mother_closure');
CREATE TABLE child () INHERITS (mother);
CREATE TABLE child (LIKE mother);
ALTER TABLE child INHERIT mother;
CREATE TABLE child_closure () INHERITS (mother_closure);
CREATE TABLE grandmother (id int, parent int);
ALTER TABLE mother INHERIT grandmother;
CREATE TABLE mother_partitioned (LIKE mother) PARTITION BY RANGE (id);
ALTER TABLE mother_partitioned ATTACH PARTITION mother DEFAULT;
CREATE TABLE another_child () INHERITS (grandmother);
INSERT INTO mother VALUES (1, NULL), (2, 1);
SELECT closure_is('mother');

-- what has no closure
SELECT catreg.drop_closure('tree');
SELECT catreg.check_closure('tree');
SELECT catreg.rebuild_closure('tree');
CREATE TRIGGER by_hand AFTER INSERT ON tree REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_closure();
INSERT INTO tree VALUES (1);
DROP TRIGGER by_hand ON tree;
-- triggers put up by hand, of the wrong kind
CREATE TRIGGER by_hand AFTER INSERT ON tree FOR EACH STATEMENT EXECUTE FUNCTION catreg.maintain_closure();
INSERT INTO tree VALUES (1);
DROP TRIGGER by_hand ON tree;
CREATE TRIGGER by_hand BEFORE INSERT ON tree FOR EACH ROW EXECUTE FUNCTION catreg.maintain_closure();
INSERT INTO tree VALUES (1);
DROP TRIGGER by_hand ON tree;
CREATE TRIGGER by_hand BEFORE INSERT ON tree FOR EACH ROW EXECUTE FUNCTION catreg.collect_closure();
INSERT INTO tree VALUES (1);
DROP TRIGGER by_hand ON tree;
SELECT catreg.maintain_closure();
INSERT INTO tree VALUES (1);

-- a tree that is none
INSERT INTO tree VALUES (10, 11), (11, 12), (12, 10), (13, 10);
SELECT catreg.create_closure('tree', 'closure');
SELECT count(*) FROM catreg.closure WHERE tree = 'tree'::regclass;
UPDATE tree SET parent = NULL WHERE id = 11;
SELECT catreg.create_closure('tree', 'closure');
SELECT closure_is('tree');

SET client_min_messages = warning;
DROP SCHEMA closure_refusals CASCADE;
DROP FOREIGN DATA WRAPPER nothing CASCADE;
