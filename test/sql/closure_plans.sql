--
-- Closures: statements that touch little of a large tree
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set ECHO none
\i :abs_srcdir/sql/include/closure_oracle.sql
\set ECHO all
CREATE SCHEMA closure_plans;
SET search_path = closure_plans, public;
SET statement_timeout = '60s';

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE) WITH (autovacuum_enabled = off);
CREATE INDEX ON tree (parent);
CREATE TABLE closure (ancestor int REFERENCES tree ON DELETE CASCADE, descendant int REFERENCES tree ON DELETE CASCADE, depth int,
    PRIMARY KEY (ancestor, descendant)) WITH (autovacuum_enabled = off);
CREATE INDEX ON closure (descendant);
CREATE TABLE free (id bigint PRIMARY KEY, parent bigint) WITH (autovacuum_enabled = off);
CREATE INDEX ON free (parent);
CREATE TABLE free_closure (ancestor bigint, descendant bigint, depth int, PRIMARY KEY (ancestor, descendant)) WITH (autovacuum_enabled = off);
CREATE INDEX ON free_closure (descendant);
SELECT catreg.create_closure('tree', 'closure'), catreg.create_closure('free', 'free_closure');
CREATE VIEW scans AS
    SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE schemaname = 'closure_plans' ORDER BY 1;

-- plans that are made while the tables are all but empty
INSERT INTO tree SELECT i, CASE WHEN i > 1 THEN 1 END FROM generate_series(1, 9) i;
INSERT INTO free TABLE tree;
SELECT format('UPDATE %s SET parent = %s WHERE id = 3', t, 1 + i % 2) FROM generate_series(1, 8) i, unnest('{tree, free}'::text[]) t \gexec
INSERT INTO tree SELECT i, i / 10 FROM generate_series(10, 20000) i;
INSERT INTO free SELECT i, i / 10 FROM generate_series(10, 20000) i;
-- are good for large ones: no table is read from end to end
SELECT pg_stat_force_next_flush();
BEGIN;
UPDATE tree SET parent = 29 WHERE id IN (3, 1999);
UPDATE free SET parent = 29 WHERE id IN (3, 1999);
UPDATE tree SET parent = 1, id = id WHERE id = 40;
INSERT INTO tree VALUES (50000, 1999), (50001, 50000);
INSERT INTO free VALUES (50000, 1999), (50001, 50000);
DELETE FROM free WHERE id = 1999;
SELECT * FROM scans;
COMMIT;
-- nor is it by new plans, with statistics, whatever the client's settings
VACUUM ANALYZE tree, closure, free, free_closure;
SET plan_cache_mode = force_custom_plan;
SET enable_nestloop = on;
SELECT pg_stat_force_next_flush();
BEGIN;
UPDATE tree SET parent = 28 WHERE id IN (3, 1999);
UPDATE free SET parent = 28 WHERE id IN (3, 1998);
DELETE FROM free WHERE id = 1998;
SELECT * FROM scans;
SHOW enable_hashjoin;
SHOW plan_cache_mode;
COMMIT;
RESET plan_cache_mode;
-- settings come back after an error, too
UPDATE tree SET parent = 19001 WHERE id = 3;
UPDATE tree SET parent = 3 WHERE id = 1;
SHOW enable_seqscan;
SHOW jit;
-- the whole tree, without statistics: not quadratic
CREATE TABLE large (id int PRIMARY KEY, parent int) WITH (autovacuum_enabled = off);
CREATE TABLE large_closure (ancestor int, descendant int, depth int, PRIMARY KEY (ancestor, descendant)) WITH (autovacuum_enabled = off);
INSERT INTO large SELECT i, nullif(i / 10, 0) FROM generate_series(1, 20000) i;
SET statement_timeout = '20s';
SELECT catreg.create_closure('large', 'large_closure');
SELECT count(*) FROM catreg.check_closure('large');
SELECT catreg.rebuild_closure('large');
-- deep ones, in one statement and from the end
INSERT INTO tree SELECT 100000 + i, CASE WHEN i = 1 THEN 1 ELSE 100000 + i - 1 END FROM generate_series(400, 1, -1) i;
INSERT INTO free SELECT 100000 + i, CASE WHEN i = 1 THEN 1 ELSE 100000 + i - 1 END FROM generate_series(400, 1, -1) i;
UPDATE tree SET parent = 2 WHERE id = 100001;
UPDATE free SET parent = 2 WHERE id = 100001;
UPDATE tree SET parent = 100400 WHERE id = 100001;
RESET statement_timeout;
SELECT max(depth) FROM closure;
SELECT closure_is('large');
SELECT closure_is('tree');
SELECT closure_is('free');

SET client_min_messages = warning;
DROP SCHEMA closure_plans CASCADE;
