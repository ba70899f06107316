--
-- Closures: partitioned tables
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_partitions;
SET search_path = closure_partitions, public;
SET statement_timeout = '120s';

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, note text) PARTITION BY RANGE (id);
CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant));
CREATE TABLE low PARTITION OF tree FOR VALUES FROM (0) TO (100);
-- columns in another order, and partitions of a partition
CREATE TABLE high (note text, gone int, parent int, id int NOT NULL) PARTITION BY LIST (id);
ALTER TABLE high DROP COLUMN gone;
CREATE TABLE high_odd PARTITION OF high FOR VALUES IN (101, 103, 105, 107, 109);
CREATE TABLE high_rest PARTITION OF high DEFAULT;
ALTER TABLE tree ATTACH PARTITION high FOR VALUES FROM (100) TO (200);
INSERT INTO tree VALUES (1, NULL), (101, 1), (2, 101);
SELECT catreg.create_closure('low', 'closure');
SELECT catreg.create_closure('tree', 'closure');
SELECT closure_is('tree');

-- through the tree, and through each partition
INSERT INTO tree VALUES (102, 103), (103, 2), (3, 102), (4, NULL);
SELECT closure_is('tree');
INSERT INTO low VALUES (5, 103), (6, 5);
INSERT INTO high VALUES ('x', 5, 104), ('y', 104, 105);
INSERT INTO high_odd VALUES ('z', 105, 107);
INSERT INTO high_rest VALUES ('z', 107, 106);
SELECT closure_is('tree');
COPY high_rest (id, parent) FROM stdin;
108	110
110	106
\.
UPDATE tree SET parent = 4 WHERE id = 103;
UPDATE high_odd SET parent = 1 WHERE id = 105;
UPDATE high SET parent = 3 WHERE id = 104;
UPDATE low SET parent = 107 WHERE id = 3;
SELECT closure_is('tree');
UPDATE high_odd SET parent = 106 WHERE id = 105;
SELECT closure_is('tree');
-- rows that go to another partition
UPDATE tree SET id = 111 WHERE id = 108;
SELECT closure_is('tree');
INSERT INTO tree VALUES (109, 2), (112, 109) ON CONFLICT (id) DO UPDATE SET parent = excluded.parent;
SELECT closure_is('tree');
DELETE FROM high WHERE id = 109;
DELETE FROM high_rest WHERE id = 106;
DELETE FROM tree WHERE id = 105;
SELECT closure_is('tree');
-- a trigger of a partition's own
CREATE FUNCTION to_1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.parent := 1; RETURN new; END';
CREATE TRIGGER to_1 BEFORE UPDATE ON low FOR EACH ROW EXECUTE FUNCTION to_1();
UPDATE tree SET note = 'changed' WHERE id = 6;
SELECT parent FROM tree WHERE id = 6;
SELECT closure_is('tree');
DROP TRIGGER to_1 ON low;

-- partitions that come later
CREATE TABLE late PARTITION OF tree FOR VALUES FROM (200) TO (300);
INSERT INTO late VALUES (200, 1), (201, 200);
UPDATE late SET parent = 2 WHERE id = 200;
SELECT closure_is('tree');
CREATE TABLE later (LIKE tree INCLUDING ALL);
INSERT INTO later VALUES (300, 200), (301, 300), (302, NULL);
ALTER TABLE tree ATTACH PARTITION later FOR VALUES FROM (300) TO (400);
SELECT closure_is('tree');
INSERT INTO later VALUES (303, 301);
DELETE FROM later WHERE id = 302;
SELECT closure_is('tree');
CREATE TABLE higher (LIKE high);
INSERT INTO higher VALUES (NULL, 303, 120), (NULL, 120, 121);
ALTER TABLE high DETACH PARTITION high_rest;
SELECT closure_is('tree');
DELETE FROM tree WHERE id = 112;
ALTER TABLE high ATTACH PARTITION higher FOR VALUES IN (120, 121);
INSERT INTO higher VALUES (NULL, 120, 121) ON CONFLICT DO NOTHING;
UPDATE higher SET parent = 200 WHERE id = 120;
SELECT closure_is('tree');
INSERT INTO high_rest VALUES (NULL, 121, 130);
SELECT closure_is('tree');
SELECT tgrelid::regclass, count(*), min(tgenabled), max(tgenabled) FROM pg_trigger
WHERE tgname LIKE 'catreg%' AND tgrelid IN (SELECT relid FROM pg_partition_tree('tree')) GROUP BY 1 ORDER BY 1::text;
-- a partition that would make a circle
CREATE TABLE circle (LIKE tree INCLUDING ALL);
INSERT INTO circle VALUES (400, 401), (401, 400);
ALTER TABLE tree ATTACH PARTITION circle FOR VALUES FROM (400) TO (500);
-- and partitions that go
ALTER TABLE tree DETACH PARTITION late;
INSERT INTO high_rest VALUES (NULL, NULL, 131);
DELETE FROM later;
DELETE FROM high_rest WHERE id = 131;
ALTER TABLE tree DETACH PARTITION later;
INSERT INTO later VALUES (310, NULL), (311, 1);
UPDATE later SET parent = NULL;
SELECT closure_is('tree');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'later'::regclass AND tgname LIKE 'catreg%';

-- without foreign keys, where rows do go to another partition
CREATE TABLE free (id bigint PRIMARY KEY, parent bigint) PARTITION BY HASH (id);
CREATE TABLE free_0 PARTITION OF free FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE free_1 PARTITION OF free FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE free_closure (ancestor bigint, descendant bigint, depth int, PRIMARY KEY (ancestor, descendant)) PARTITION BY RANGE (descendant);
CREATE TABLE free_closure_low PARTITION OF free_closure FOR VALUES FROM (minvalue) TO (10);
CREATE TABLE free_closure_high PARTITION OF free_closure DEFAULT;
SELECT catreg.create_closure('free', 'free_closure');
INSERT INTO free SELECT i, nullif(i / 2, 0) FROM generate_series(1, 40) i;
SELECT closure_is('free');
UPDATE free SET parent = 1 WHERE id IN (8, 9, 10, 11);
SELECT closure_is('free');
UPDATE free SET id = id + 100 WHERE id IN (3, 12, 13);
SELECT closure_is('free');
TRUNCATE free_0;
SELECT closure_is('free');
ALTER TABLE free DETACH PARTITION free_1;
SELECT closure_is('free');
ALTER TABLE free ATTACH PARTITION free_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT closure_is('free');
INSERT INTO free SELECT 2 * i, i FROM generate_series(1, 30) i ON CONFLICT DO NOTHING;
SELECT closure_is('free');
DROP TABLE free_1;
SELECT closure_is('free');
TRUNCATE free;
SELECT closure_is('free');
INSERT INTO free VALUES (NULL, 1);
-- a foreign-keyed tree with a partitioned closure, and back again with another
CREATE TABLE held (id int PRIMARY KEY, parent int REFERENCES held ON DELETE CASCADE);
CREATE TABLE held_closure (ancestor int REFERENCES held ON DELETE CASCADE, descendant int REFERENCES held ON DELETE CASCADE,
    depth int, PRIMARY KEY (ancestor, descendant)) PARTITION BY HASH (ancestor);
CREATE TABLE held_closure_0 PARTITION OF held_closure FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE held_closure_1 PARTITION OF held_closure FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT catreg.create_closure('held', 'held_closure');
INSERT INTO held SELECT i, nullif(i / 2, 0) FROM generate_series(1, 20) i;
INSERT INTO held VALUES (21, 10);
UPDATE held SET parent = 2 WHERE id = 3;
DELETE FROM held WHERE id = 5;
SELECT closure_is('held');
CREATE TABLE held_second (up int, down int, far int) PARTITION BY HASH (up);
CREATE TABLE held_second_0 PARTITION OF held_second FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT catreg.drop_closure('held');
SELECT catreg.create_closure('held', 'held_second', 'id', 'parent', 'up', 'down', 'far');
TRUNCATE held_closure;
INSERT INTO held VALUES (22, 9), (23, 22);
SELECT closure_is('held');
SELECT catreg.drop_closure('held');
TRUNCATE held_second;
SELECT catreg.create_closure('held', 'held_second', 'id', 'parent', 'down', 'up', 'far');
INSERT INTO held VALUES (24, 9), (25, 24);
SELECT closure_is('held');
-- dropped, with its definition
SELECT catreg.drop_closure('tree');
INSERT INTO low VALUES (90, NULL);
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'catreg%' AND tgrelid IN (SELECT relid FROM pg_partition_tree('tree'));
SELECT catreg.create_closure('tree', 'closure');
SELECT closure_is('tree');
SET client_min_messages = warning;
DROP TABLE tree CASCADE;
RESET client_min_messages;
SELECT tree, closure FROM catreg.closure WHERE closure IN ('closure'::regclass, 'free_closure'::regclass, 'held_second'::regclass) ORDER BY 1::text;

SET client_min_messages = warning;
DROP SCHEMA closure_partitions CASCADE;
SELECT count(*) FROM catreg.closure;
